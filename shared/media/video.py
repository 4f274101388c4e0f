"""Encoding and decoding of films through PyAV: H.264 in MP4, FFV1 in MKV, GIF."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from av.video.stream import VideoStream

from shared.config import one_of
from shared.console import note
from shared.errors import InputError
from shared.media.limits import check_clip_bytes, check_frames, check_pixels, check_seconds
from shared.media.tone import HDR, to_sdr

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from numpy.typing import NDArray

    from shared.results.clip import FrameSource

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

UNSPECIFIED, BT2020 = 2, 9
"""FFmpeg's numbers of matrices between YUV and RGB."""

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
    """All frames of a film as players show them, (F, H, W, 3) uint8, and its frame rate.

    Raises:
        InputError: The file is not a film that can be read, has no picture, changes its size midway, or takes too much
            memory.
    """
    with opened(path) as container:
        shown = ShownFrames(container, path)
        decoded, times = [], []
        for frame in shown:
            decoded.append(shown.to_rgb(frame))
            check_clip_bytes(path, len(decoded) * decoded[-1].nbytes)
            times.append(frame.time)
        fps = float(shown.stream.average_rate or 0)
    if path.suffix.lower() == ".gif" and len(decoded) > 1:
        fps = (len(decoded) - 1) / (times[-1] - times[0])  # delays are not all the same
    if not decoded or not fps:
        raise InputError(f"{path} has no picture")
    return np.stack(decoded), fps


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream of moving pictures; the cover of a song or a film is none.

    Raises:
        InputError: There is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise InputError(f"{path} has no picture{': it holds audio alone' if container.streams.audio else ''}")


class ShownFrames:
    """The frames of a film, and what players make of them: shape, direction and colour.

    What is converted is logged once.

    Args:
        container: opened for reading.
        path: for messages.

    Raises:
        InputError: The film has no moving pictures, or says that it is beyond the limits of what is read.
    """

    def __init__(self, container: InputContainer, path: Path) -> None:
        self.container, self.path = container, path
        self.stream = picture_stream(container, path)
        self.pixel_shape = Fraction(self.stream.sample_aspect_ratio or 1) or Fraction(1)
        self._logged: set[str] = set()
        check_pixels(path, self.stream.width, self.stream.height)
        check_frames(path, self.stream.frames)
        check_seconds(path, (container.duration or 0) / av.time_base)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Decoded frames.

        Raises:
            InputError: A frame has another size than the first, or is beyond the limits of what is read.
        """
        size = None
        for number, frame in enumerate(self.container.decode(self.stream), 1):
            if size is None:
                size = frame.width, frame.height
                check_pixels(self.path, *self._widened(frame))
            check_frames(self.path, number)
            if size != (frame.width, frame.height):
                raise InputError(
                    f"{self.path} changes its size midway, from {size[0]}x{size[1]} to {frame.width}x{frame.height}: "
                    "cut it there first"
                )
            yield frame

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height of a frame as it is shown."""
        width, height = self._widened(frame)
        return (height, width) if is_turned(display_matrix(frame)) else (width, height)

    def to_rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """A decoded frame as players show it, (H, W, 3) uint8."""
        width, height = self._widened(frame)
        if width != frame.width:
            self._log(
                f"pixels of {self.pixel_shape.numerator}:{self.pixel_shape.denominator}: {frame.width}x{frame.height} "
                f"becomes {width}x{height}"
            )
        transfer = HDR.get(int(frame.color_trc))
        if transfer is not None:
            self._log(f"{transfer} is mapped to standard dynamic range")
            resized = frame.reformat(
                width=width, height=height, format="rgb48le", src_colorspace=_matrix_of(frame),
                dst_color_range=ColorRange.JPEG,
            )  # fmt: skip
            picture = to_sdr(resized.to_ndarray(format="rgb48le").astype(np.uint16, copy=False), transfer)
        elif width != frame.width or not frame.format.is_rgb:
            resized = frame.reformat(
                width=width, height=height, format="rgb24", dst_color_range=ColorRange.JPEG
            )
            picture = resized.to_ndarray(format="rgb24")
        else:
            picture = frame.to_ndarray(format="rgb24")
        return turned(picture.astype(np.uint8, copy=False), display_matrix(frame))

    def _widened(self, frame: av.VideoFrame) -> tuple[int, int]:
        return max(round(frame.width * self.pixel_shape), 1), frame.height

    def _log(self, line: str) -> None:
        if line not in self._logged:
            self._logged.add(line)
            note(f"{self.path.name}: {line}")


def display_matrix(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    """How a frame is turned and mirrored: (2, 2), from coded to shown x and y; None where it is shown as coded."""
    # Not `frame.side_data`: the frame would keep it, and so itself, until the garbage is collected. A decoder whose
    # threads live that long hangs the first process that is forked.
    found = SideDataContainer(frame).get(SideData.DISPLAYMATRIX)  # ty: ignore[too-many-positional-arguments]
    if found is None:
        return None
    numbers = np.frombuffer(bytes(found), np.int32)
    return np.array([[numbers[0], numbers[3]], [numbers[1], numbers[4]]])


def is_turned(matrix: NDArray[np.int32] | None) -> bool:
    """Whether width and height change places."""
    return matrix is not None and abs(int(matrix[0, 0])) < abs(int(matrix[0, 1]))


def turned(picture: NDArray[np.uint8], matrix: NDArray[np.int32] | None) -> NDArray[np.uint8]:
    """A picture (H, W, 3) turned and mirrored as its display matrix says, to the nearest quarter."""
    if matrix is None:
        return picture
    if is_turned(matrix):
        picture, across, down = picture.transpose(1, 0, 2), matrix[0, 1], matrix[1, 0]
    else:
        across, down = matrix[0, 0], matrix[1, 1]
    return np.ascontiguousarray(picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _matrix_of(frame: av.VideoFrame) -> int:
    """The matrix between YUV and RGB; wide-gamut films that do not say are BT.2020."""
    return frame.colorspace if frame.colorspace != UNSPECIFIED else BT2020


def comment(path: Path, demuxers: Mapping[str, str] = DEMUXERS) -> str:
    """The comment in a file's metadata, empty where there is none."""
    with opened(path, demuxers) as container:
        return next((text for key, text in container.metadata.items() if key.lower() == "comment"), "")
