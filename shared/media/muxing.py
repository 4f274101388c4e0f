"""A film's picture copied beside another sound: no frame is decoded, so none is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream

from shared.errors import InputError
from shared.media.video import create, opened

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream

    from shared.media.sound import Sound

BLOCK = 1024
"""Samples of an AAC frame."""

BITS_PER_SAMPLE = 4
"""Of the encoded sound, of each channel: 64 kbit/s at 16 kHz, 192 at 48 kHz."""


def write_film(film: Path, sound: Sound, path: Path, keep: bool = False, comment: str = "") -> None:
    """Copy a film's picture, and give it a sound, encoded as AAC, that begins with its first frame.

    Args:
        film: whose picture is copied packet by packet.
        sound: its duration is kept to the sample.
        path: `.mp4` or `.mkv`.
        keep: copy the film's own sound too, before the new one.
        comment: for the file's metadata.

    Raises:
        InputError: the film is damaged, or its picture cannot stand in such a file.
    """
    with opened(film) as source:
        if not source.streams.video:
            raise InputError(f"{film} has no picture")
        picture = source.streams.video[0]
        copied = [picture, *(source.streams.audio[:1] if keep else ())]
        with create(path, sound.sample_rate) as target:
            target.metadata["comment"] = comment  # before the first packet: PyAV drops what comes later
            places = {stream.index: _add_copy(target, stream, film) for stream in copied}
            track = _add_aac(target, sound)
            start = float((picture.start_time or 0) * (picture.time_base or 0))
            packets = (packet for packet in source.demux(copied) if packet.dts is not None)
            for packet, stream in _by_time(packets, places, _encoded(track, sound, start), track):
                packet.stream = stream
                target.mux(packet)


def _by_time(
    packets: Iterator[Packet], places: Mapping[int, Stream], encoded: Iterator[Packet], track: Stream
) -> Iterator[tuple[Packet, Stream]]:
    """Copied and encoded packets in the order in which a player needs them, each with its stream."""
    own = ((packet, track) for packet in encoded)
    copied = ((packet, places[packet.stream.index]) for packet in packets)
    return merge(copied, own, key=lambda one: float((one[0].dts or 0) * one[0].time_base))


def _add_copy(target: OutputContainer, stream: Stream, film: Path) -> Stream:
    try:
        return target.add_stream_from_template(stream, opaque=True)
    except (av.error.FFmpegError, ValueError) as error:
        name, reason = stream.codec_context.name, getattr(error, "strerror", None) or error
        raise InputError(
            f"{film}: its {stream.type} ({name}) cannot be copied: {reason}; make it H.264 first"
        ) from error


def check_copy(film: Path, suffix: str) -> None:
    """Find out before the work begins whether a film's picture can stand in a file of another kind.

    Raises:
        InputError: it cannot.
    """
    with (
        opened(film) as source,
        tempfile.TemporaryDirectory(prefix="kinora-") as room,
        create(Path(room) / f"film{suffix}") as target,
    ):
        _add_copy(target, source.streams.video[0], film)
        target.start_encoding()


def _add_aac(target: OutputContainer, sound: Sound) -> AudioStream:
    channels = sound.waveform.shape[0]
    layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels}c")
    track = target.add_stream("aac", rate=sound.sample_rate, layout=layout)
    assert isinstance(track, AudioStream)  # what PyAV makes of this codec
    track.bit_rate = BITS_PER_SAMPLE * sound.sample_rate * channels
    track.time_base = Fraction(1, sound.sample_rate)
    return track


def _encoded(track: AudioStream, sound: Sound, start: float) -> Iterator[Packet]:
    """The packets of a sound that begins `start` seconds into the file."""
    first = round(start * sound.sample_rate)
    waveform = np.clip(sound.waveform, -1, 1)
    for place in range(0, waveform.shape[1], BLOCK):
        block = np.ascontiguousarray(waveform[:, place : place + BLOCK])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=track.layout.name)
        frame.sample_rate, frame.time_base = sound.sample_rate, Fraction(1, sound.sample_rate)
        frame.pts = first + place
        yield from track.encode(frame)
    yield from track.encode(None)
