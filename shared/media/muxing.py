"""A film's picture copied beside another sound: no frame is decoded, so none is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from shared.config import one_of
from shared.console import note
from shared.errors import InputError
from shared.media.film import picked
from shared.media.sound import Sound, layout_of, to_frame
from shared.media.video import (
    ShownFrames,
    add_picture,
    created,
    encode_picture,
    opened,
    picture_stream,
    unreadable,
)

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.stream import Stream


BLOCK = 1024
"""Samples of an AAC frame."""

MOST_CHANNELS = 8
"""Of AAC."""

BITS_PER_SAMPLE = 4
"""Of the encoded sound, of each channel: 64 kbit/s at 16 kHz, 192 at 48 kHz."""

SUFFIXES = (".mp4", ".mkv")
"""Containers that hold a copied picture beside a sound."""

KEPT_TAGS = {"h264": ("avc1", "avc3"), "hevc": ("hvc1", "hev1", "dvh1", "dvhe")}
"""Codec -> names of it in an MP4 that say where its parameter sets stand; Apple's players want `hvc1`."""


@dataclass(frozen=True)
class Timing:
    """When the packets of a stream are decoded and shown.

    Attributes:
        decode: A made time for each packet, in the stream's units; None where the file has one for each.
        hidden: How many packets players decode and do not show, for an edit list cuts them.
        leading: The hidden ones come before time 0 and the others do not.
    """

    decode: Sequence[int] | None
    hidden: int
    leading: bool


def write_film(film: Path, sound: Sound, path: Path, keep: bool = False, comment: str = "") -> None:
    """Copy a film's picture, and give it a sound, encoded as AAC, that begins with its first frame.

    A picture of which an edit list hides more than the container can say is encoded anew, said aloud.

    Args:
        film: whose picture is copied packet by packet.
        sound: its duration is kept to the sample.
        path: `.mp4` or `.mkv`.
        keep: copy the film's own sound too, before the new one.
        comment: for the file's metadata.

    Raises:
        InputError: the film is damaged, or its picture or sound cannot stand in such a file.
        OSError: the file cannot be written.
    """
    sound = _for_aac(sound)
    with opened(film) as source:
        picture, *_ = copied = _copied_streams(source, film, keep)
        timings = _timings(film, copied)
        with created(path, sound.sample_rate) as target:
            target.metadata["comment"] = comment  # before the first packet: PyAV drops what comes later
            tracks = {
                stream.index: _add_track(target, stream, film, timings[stream.index]) for stream in copied
            }
            aac = _add_aac(target, sound)
            start = float((picture.start_time or 0) * (picture.time_base or 0))
            own = ((packet, aac) for packet in _encoded(aac, sound, start))
            for packet, stream in merge(_copied_packets(source, film, tracks, timings), own, key=_seconds):
                packet.stream = stream
                target.mux(packet)


def check_copy(source: InputContainer, film: Path, suffixes: Sequence[str] = (), keep: bool = False) -> str:
    """Find out before the work begins in which kind of file a film's picture can stand as it is.

    Args:
        source: the film, opened.
        film: its file.
        suffixes: `.mp4`, `.mkv`, the better one first; none: the film's own kind first.
        keep: its own sound is to be copied too.

    Returns:
        The first suffix that takes what is copied.

    Raises:
        InputError: none of them does.
    """
    suffixes = suffixes or (SUFFIXES[::-1] if film.suffix.lower() in (".mkv", ".webm") else SUFFIXES)
    streams = _copied_streams(source, film, keep)
    refusals = {suffix: _refusal(streams, suffix) for suffix in {*suffixes, *SUFFIXES}}
    fitting = [suffix for suffix in suffixes if refusals[suffix] is None]
    refused = refusals[suffixes[0]]
    if not fitting and refused is not None:
        others = [suffix for suffix in SUFFIXES if refusals[suffix] is None]
        raise _no_copy(film, refused[0], suffixes[0], refused[1], others)
    return fitting[0]


def _copied_streams(source: InputContainer, film: Path, keep: bool) -> list[Stream]:
    """The streams of a film that are copied, its picture first; a cover is none."""
    return [picture_stream(source, film), *(source.streams.audio[:1] if keep else ())]


# -- what a container can hold -----------------------------------------------------------------------------


def _add_track(target: OutputContainer, stream: Stream, film: Path, timing: Timing) -> Track:
    if not isinstance(stream, VideoStream) or _can_hide(target, timing):
        return Track(_add_copy(target, stream, film), hides=target.format.name == "mp4")
    what = f"{film}: its edit list hides {timing.hidden} frames, and {target.format.name} shows them"
    note(f"{what}: the picture is encoded anew")
    height, width = next(picked(film, [0])).shape[:2]
    anew = add_picture(target, height, width, stream.average_rate or Fraction(25))
    anew.codec_context.time_base = stream.time_base or Fraction(1, 1000)
    assert isinstance(stream.container, InputContainer)
    return Track(anew, shown=ShownFrames(stream.container, film))


def _add_copy(target: OutputContainer, stream: Stream, film: Path) -> Stream:
    try:
        copy = target.add_stream_from_template(stream, opaque=True)
    except ValueError as error:
        raise _no_copy(film, stream, f".{target.format.name}", str(error)) from error
    own = KEPT_TAGS.get(stream.codec_context.name, ())
    tagged = target.format.name == "mp4" and stream.container.format.name.startswith("mov") and own
    if tagged and stream.codec_context.codec_tag in own:
        copy.codec_context.codec_tag = stream.codec_context.codec_tag
    return copy


def _refusal(streams: Sequence[Stream], suffix: str) -> tuple[Stream, str] | None:
    """The first stream that a file of some kind refuses, with FFmpeg's words; None where all stand there."""
    with tempfile.TemporaryDirectory(prefix="kinora-") as room:
        for stream in streams:
            try:
                with av.open(f"file:{room}/film{suffix}", "w") as target:
                    target.add_stream_from_template(stream, opaque=True)
                    target.start_encoding()
            except av.error.FFmpegError as error:
                return stream, error.strerror or str(error)
            except ValueError as error:
                return stream, str(error)
    return None


def _no_copy(film: Path, stream: Stream, suffix: str, reason: str, others: Sequence[str] = ()) -> InputError:
    what, remedy = ("picture", "make it H.264 first") if stream.type == "video" else ("sound", "mix takes it")
    advice = f"{one_of(others)} holds it, or {remedy}" if others else remedy
    return InputError(
        f"{film}: its {what} ({stream.codec_context.name}) cannot be copied into {suffix}: {reason}; {advice}"
    )


def _can_hide(target: OutputContainer, timing: Timing) -> bool:
    """Whether a file can say which packets are not shown: an MP4 hides what comes before time 0, an MKV nothing."""
    return not timing.hidden or (target.format.name == "mp4" and timing.leading)


# -- the picture and the sound that are there ---------------------------------------------------------------


def _timings(film: Path, streams: Sequence[Stream]) -> dict[int, Timing]:
    """Look through a film's packets once, and decode none."""
    times: dict[int, list[tuple[int | None, int | None, bool]]] = {stream.index: [] for stream in streams}
    with opened(film) as source:
        for packet in source.demux([source.streams[index] for index in times]):
            if packet.size:
                times[packet.stream.index].append((packet.pts, packet.dts, packet.is_discard))
    return {index: _timing(known) for index, known in times.items()}


def _timing(packets: Sequence[tuple[int | None, int | None, bool]]) -> Timing:
    hidden = [pts for pts, _, discard in packets if discard]
    shown = [pts for pts, _, discard in packets if not discard]
    leading = all(pts is not None and pts < 0 for pts in hidden) and all(
        pts is None or pts >= 0 for pts in shown
    )
    shows, decodes = [pts for pts, _, _ in packets], [dts for _, dts, _ in packets]
    return Timing(None if _is_playable(shows, decodes) else _decode_times(shows), len(hidden), leading)


def _is_playable(shown: Sequence[int | None], decoded: Sequence[int | None]) -> bool:
    """Whether packets have rising times to be decoded, none later than the time at which it is shown."""
    known = [dts for dts in decoded if dts is not None]
    if len(known) < len(decoded) or any(one >= other for one, other in pairwise(known)):
        return False
    return all(pts is None or dts <= pts for pts, dts in zip(shown, known, strict=True))


def _decode_times(shown: Sequence[int | None]) -> list[int] | None:
    """Rising times at which packets can be decoded, none later than the time at which it is shown.

    Args:
        shown: the packets' times of presentation in the order of the file; None for all if one has none.
    """
    known = [moment for moment in shown if moment is not None]
    if len(known) < len(shown):
        return None
    order = sorted(range(len(known)), key=known.__getitem__)
    delay = max((place - number for place, number in enumerate(order)), default=0)
    ordered = [known[number] for number in order]
    step = max(1, ordered[1] - ordered[0]) if len(ordered) > 1 else 1
    ahead = [ordered[0] - step * number for number in range(delay, 0, -1)]
    times = [*ahead, *ordered[: len(ordered) - delay]]
    for number in range(len(times) - 2, -1, -1):  # two packets of one moment
        times[number] = min(times[number], times[number + 1] - 1)
    return times


@dataclass(frozen=True)
class Track:
    """Where the packets of a stream go.

    Attributes:
        stream: of the new file.
        shown: makes the frames that are encoded anew; None: the packets are copied.
        hides: the file can say that a packet is not shown, so those are copied too.
    """

    stream: Stream
    shown: ShownFrames | None = None
    hides: bool = False

    def packets(self, packet: Packet) -> list[Packet]:
        """What stands in the new file for a packet of the old one; one of no size is the end."""
        if self.shown is None:
            return [packet] if packet.size and (self.hides or not packet.is_discard) else []
        assert isinstance(self.stream, VideoStream)
        made = []
        for frame in packet.decode():
            assert isinstance(frame, av.VideoFrame) and frame.pts is not None and frame.time_base is not None
            made += encode_picture(self.stream, self.shown.to_rgb(frame), frame.pts, frame.time_base)
        return made if packet.size else [*made, *self.stream.encode(None)]


def _copied_packets(
    source: InputContainer, film: Path, tracks: Mapping[int, Track], timings: Mapping[int, Timing]
) -> Iterator[tuple[Packet, Stream]]:
    """The packets of a film with the streams that they go to; what goes wrong is the film's fault."""
    made = {index: iter(timing.decode) for index, timing in timings.items() if timing.decode is not None}
    try:
        for packet in source.demux([source.streams[index] for index in tracks]):
            index = packet.stream.index
            if packet.size and index in made:
                packet.dts = next(made[index])
            for one in tracks[index].packets(packet):
                yield one, tracks[index].stream
    except av.error.FFmpegError as error:
        raise unreadable(film, error) from error


def _seconds(placed: tuple[Packet, Stream]) -> float:
    """When a packet is needed."""
    packet = placed[0]
    return float((packet.dts or 0) * packet.time_base)


# -- the sound that is new ---------------------------------------------------------------------------------


def _for_aac(sound: Sound) -> Sound:
    """A sound that AAC takes: at one of its rates, with no more channels than it has; a change is said aloud."""
    channels, rates = len(sound.waveform), sorted(av.Codec("aac", "w").audio_rates or [])
    if channels > MOST_CHANNELS:
        note(f"AAC takes {MOST_CHANNELS} channels: the sound's {channels} are mixed into one")
        sound = Sound(sound.mono[None], sound.sample_rate)
    if sound.sample_rate not in rates:
        rate = next((rate for rate in rates if rate > sound.sample_rate), rates[-1])
        note(f"AAC takes no {sound.sample_rate} Hz: the sound is resampled to {rate}")
        sound = sound.resampled(rate)
    return sound


def _add_aac(target: OutputContainer, sound: Sound) -> AudioStream:
    channels = len(sound.waveform)
    track = target.add_stream("aac", rate=sound.sample_rate, layout=layout_of(channels))
    assert isinstance(track, AudioStream)  # what PyAV makes of this codec
    track.bit_rate = BITS_PER_SAMPLE * sound.sample_rate * channels
    track.time_base = Fraction(1, sound.sample_rate)
    return track


def _encoded(track: AudioStream, sound: Sound, start: float) -> Iterator[Packet]:
    """The packets of a sound that begins `start` seconds into the file."""
    first = round(start * sound.sample_rate)
    for place in range(0, sound.waveform.shape[1], BLOCK):
        frame = to_frame(sound, place, place + BLOCK)
        frame.time_base, frame.pts = Fraction(1, sound.sample_rate), first + place
        yield from track.encode(frame)
    yield from track.encode(None)
