"""Encoding and decoding of films through PyAV: H.264 in MP4, FFV1 in MKV, GIF."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from av.video.stream import VideoStream

from shared.config import one_of
from shared.console import note
from shared.errors import InputError

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from numpy.typing import NDArray

    from shared.media.clip import FrameSource

    Frames = NDArray[np.uint8]

H264_OPTIONS = {"crf": "12", "preset": "medium"}
"""Colour bars come back at 48 dB; the rest is lost to chroma at half resolution, not to quantisation."""

DEMUXERS = {
    ".mp4": "mov",
    ".mov": "mov",
    ".m4v": "mov",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".gif": "gif",
}
"""The suffix decides, never the content: a playlist in disguise could name other files and addresses."""

_CONTAINER_OPTIONS = {
    # The index first, so that a browser plays while it loads; no clock or random number in the file.
    ".mp4": {"movflags": "+faststart", "fflags": "+bitexact"},
    # The receipt's hash is written in place after muxing: a CRC over the tags would no longer hold.
    ".mkv": {"fflags": "+bitexact", "write_crc32": "0"},
    ".gif": {"fflags": "+bitexact", "loop": "0"},
}


def rate(fps: float) -> Fraction:
    """The frame rate as the fraction that containers want; 29.97 and its like are n * 1000 / 1001."""
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    return ntsc if abs(ntsc - fps) < 1e-3 and fps != round(fps) else Fraction(fps).limit_denominator(1000)


def encode(frames: FrameSource, fps: float, path: Path, comment: str = "") -> None:
    """Encode frames to a film; the suffix decides the codec.

    Args:
        frames: (F, H, W, 3) uint8, RGB; they are taken one after the other.
        fps: Frames per second.
        path: `.mp4`, `.mkv` or `.gif`.
        comment: For the file's metadata; a GIF has none.

    Raises:
        OSError: The file cannot be written.
    """
    if path.suffix.lower() == ".gif":
        _encode_gif(frames, fps, path)
        return
    with created(path) as container:
        container.metadata["comment"] = comment  # before the first packet: PyAV drops what comes later
        height, width = frames.shape[1:3]
        track = add_picture(container, height, width, rate(fps))
        for index, picture in enumerate(frames):
            container.mux(encode_picture(track, picture, index, 1 / rate(fps)))
        container.mux(track.encode(None))


@contextlib.contextmanager
def created(path: Path, timescale: int | None = None) -> Generator[OutputContainer]:
    """A film to be written, in the container of its suffix.

    What is read while it is written must say by itself what is wrong with its source: an error of FFmpeg's that
    leaves the block is one of writing.

    Args:
        path: The file.
        timescale: Units of a second in which an MP4 says how long its streams are; None: FFmpeg's own, 1000.

    Raises:
        OSError: The file cannot be written; `replacing` says so of the path that the user knows.
    """
    options = dict(_CONTAINER_OPTIONS[path.suffix.lower()])
    if timescale is not None and path.suffix.lower() == ".mp4":
        options["movie_timescale"] = str(timescale)
    with writing(), av.open(f"file:{path}", "w", options=options) as container:
        yield container


@contextlib.contextmanager
def writing() -> Generator[None]:
    """FFmpeg's errors in the block are those of a file that is written.

    Raises:
        OSError: With FFmpeg's number and words.
    """
    try:
        yield
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


def add_picture(container: OutputContainer, height: int, width: int, fps: Fraction) -> VideoStream:
    """A track for the frames of a film: H.264 in MP4, FFV1 in MKV.

    Args:
        container: It has no track of pictures yet.
        height: Of the frames; an odd one is padded for H.264, said aloud.
        width: Likewise.
        fps: Frames per second.
    """
    if container.format.name != "mp4":
        stream = _add_stream(container, "ffv1", height, width, rate=fps)
        stream.pix_fmt = "bgr0"
        return stream
    if height % 2 or width % 2:
        note(
            f"{width}x{height} is odd and H.264 wants even sides: the last column or row is repeated "
            f"({width + width % 2}x{height + height % 2}); .mkv keeps odd sizes"
        )
    even = height + height % 2, width + width % 2
    stream = _add_stream(container, "libx264", *even, rate=fps, options=H264_OPTIONS)
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace = Colorspace.ITU709
    context.color_range = ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    return stream


def encode_picture(
    stream: VideoStream, picture: NDArray[np.uint8], moment: int, time_base: Fraction
) -> list[Packet]:
    """Encode one frame of a film.

    Args:
        stream: From `add_picture`.
        picture: (H, W, 3) uint8, RGB.
        moment: When it is shown, in units of `time_base`.
        time_base: Seconds.
    """
    height, width = picture.shape[:2]
    lacking = (0, stream.height - height), (0, stream.width - width), (0, 0)
    if any(rows for _, rows in lacking):
        picture = np.pad(picture, lacking, mode="edge")
    frame = _to_stream_format(picture, stream.pix_fmt)
    frame.pts, frame.time_base = moment, time_base
    return stream.encode(frame)


def _add_stream(container: OutputContainer, codec: str, height: int, width: int, **about: Any) -> VideoStream:
    stream = container.add_stream(codec, **about)
    assert isinstance(stream, VideoStream)  # what PyAV makes of every codec named here
    stream.height, stream.width = height, width
    return stream


def _to_stream_format(picture: NDArray[np.uint8], pixels: str | None) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    if pixels == "yuv420p":
        return frame.reformat(
            format="yuv420p",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,  # no ringing beside hard edges
        )
    return frame.reformat(format=pixels)


def _encode_gif(frames: FrameSource, fps: float, path: Path) -> None:
    """One palette for the whole clip; delays are hundredths of a second, rounded so that none adds up."""
    height, width = frames.shape[1:3]
    graph = Graph()
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24"), time_base=Fraction(1, 100)
    )
    split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=full")
    use, sink = graph.add("paletteuse", "dither=sierra2_4a"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    with created(path) as container:
        stream = _add_stream(container, "gif", height, width, rate=100)
        stream.pix_fmt = "pal8"
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(index * 100 / fps), Fraction(1, 100)
            source.push(frame)
        source.push(None)
        for _ in range(len(frames)):
            container.mux(stream.encode(graph.vpull()))
        container.mux(stream.encode(None))


@contextlib.contextmanager
def opened(path: Path, demuxers: Mapping[str, str] = DEMUXERS) -> Generator[InputContainer]:
    """A film opened for reading, whatever FFmpeg has against it said in one line.

    Args:
        path: The file.
        demuxers: Suffix -> FFmpeg's name of what reads it.

    Raises:
        InputError: The file is missing, or damaged, or of another kind.
    """
    demuxer = demuxers.get(path.suffix.lower())
    if demuxer is None:
        raise InputError(f"{path} is of no kind that is read: {one_of(demuxers)}")
    try:
        with av.open(f"file:{path}", format=demuxer, metadata_errors="replace") as container:
            yield container
    except av.error.FFmpegError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: av.error.FFmpegError) -> InputError:
    """What FFmpeg has against a medium, as an error of ours."""
    kind = "film" if path.suffix.lower() in DEMUXERS else "sound"
    return InputError(f"{path} cannot be read as a {kind}: {error.strerror}")


def packet_hashes(path: Path, demuxers: Mapping[str, str] = DEMUXERS) -> dict[str, str]:
    """The sha256 over the encoded packets, per kind of stream: `video`, `audio`."""
    hashes = {}
    with opened(path, demuxers) as container:
        for packet in container.demux():
            digest = hashes.setdefault(packet.stream.type, hashlib.sha256())
            digest.update(f"{packet.stream.index} {packet.size}\n".encode())
            digest.update(bytes(packet))
    return {kind: digest.hexdigest() for kind, digest in hashes.items()}


def decode(path: Path) -> tuple[Frames, float]:
    """All frames of a film, (F, H, W, 3) uint8, and its frame rate.

    Raises:
        InputError: The file is not a film that can be read, or has no picture.
    """
    with opened(path) as container:
        if not container.streams.video:
            raise InputError(f"{path} has no picture")
        stream = container.streams.video[0]
        decoded = list(container.decode(stream))
        fps = float(stream.average_rate or 0)
        if path.suffix.lower() == ".gif" and len(decoded) > 1:
            fps = (len(decoded) - 1) / (decoded[-1].time - decoded[0].time)  # delays are not all the same
    if not decoded or not fps:
        raise InputError(f"{path} has no picture")
    return np.stack([to_rgb(frame) for frame in decoded]), fps


def to_rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """A decoded frame as players show it, (H, W, 3) uint8: a phone held upright films lying on its side."""
    turns = round(frame.rotation / 90)
    if not frame.format.is_rgb:
        frame = frame.reformat(format="rgb24", dst_color_range=ColorRange.JPEG)
    picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def comment(path: Path, demuxers: Mapping[str, str] = DEMUXERS) -> str:
    """The comment in a file's metadata, empty where there is none."""
    with opened(path, demuxers) as container:
        return next((text for key, text in container.metadata.items() if key.lower() == "comment"), "")
