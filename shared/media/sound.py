"""Sound in files: the audio track of a film or of a sound file as samples, and samples as an exact WAV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.audio.resampler import AudioResampler

from shared.errors import InputError
from shared.media.files import replacing
from shared.media.limits import check_seconds
from shared.media.video import DEMUXERS, opened, writing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SOUND_DEMUXERS = {
    ".wav": "wav",
    ".flac": "flac",
    ".mp3": "mp3",
    ".ogg": "ogg",
    ".opus": "ogg",
    ".m4a": "mov",
    ".aac": "aac",
}
"""The suffix decides, as it does for films."""

LEAST_GAP = 1e-3
"""Seconds by which a track must begin after its film for the gap to be filled with silence."""


@dataclass(frozen=True, eq=False)
class Sound:
    """Samples with their rate.

    Attributes:
        waveform: (C, N) float32, full scale is [-1, 1].
        sample_rate: Samples per second.

    Raises:
        InputError: Samples of another shape or type, that are not finite, or a rate that is not above 0.
    """

    waveform: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        shape = self.waveform.shape
        if self.waveform.dtype != np.float32 or self.waveform.ndim != 2 or not shape[0]:
            raise InputError(f"samples must be (C, N) float32, not {shape} {self.waveform.dtype}")
        if self.sample_rate <= 0:
            raise InputError(f"the sample rate must be above 0, not {self.sample_rate}")
        bad = int(self.waveform.size - np.isfinite(self.waveform).sum())
        if bad:
            raise InputError(
                f"{bad} of {self.waveform.size} samples are not finite numbers (NaN or infinite)"
            )

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.waveform.shape[1] / self.sample_rate

    @property
    def mono(self) -> Samples:
        """The mean of all channels, (N,)."""
        return self.waveform.mean(axis=0)

    def resampled(self, sample_rate: int) -> Sound:
        """The same sound at another rate, of the same duration to within one sample."""
        if sample_rate == self.sample_rate:
            return self
        if not self.waveform.shape[1]:
            return Sound(self.waveform, sample_rate)
        import librosa

        changed = librosa.resample(self.waveform, orig_sr=self.sample_rate, target_sr=sample_rate)
        return Sound(changed.astype(np.float32), sample_rate)


def layout_of(channels: int) -> str:
    """FFmpeg's name of how so many channels are laid out, where they have no names of their own."""
    if channels <= 3:
        return ("mono", "stereo", "3.0")[channels - 1]  # FFmpeg's own for three is 2.1
    try:
        return av.AudioLayout(f"{channels}c").name  # 5.1 for six
    except ValueError:
        return f"{channels} channels"


def to_frame(sound: Sound, start: int, stop: int) -> av.AudioFrame:
    """Some samples of a sound as FFmpeg takes them."""
    samples = sound.waveform[:, start:stop]
    # Packed: PyAV takes no more than seven planes.
    packed = np.ascontiguousarray(samples.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout_of(len(samples)))
    frame.sample_rate = sound.sample_rate
    return frame


def read_sound(path: str | Path, sample_rate: int | None = None) -> Sound | None:
    """The first audio track of a film or of a sound file; None where a film has no track.

    A track that begins later than its film has silence in front, so that sample 0 is the film's beginning.

    Args:
        path: The file.
        sample_rate: Of the samples; None: as they are stored.

    Raises:
        InputError: The file is missing, damaged, too long, of no kind that is read, or holds samples that are no
            numbers.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    with opened(path, SOUND_DEMUXERS | DEMUXERS) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        check_seconds(path, (container.duration or 0) / av.time_base)
        rate, channels = stream.rate, max(stream.channels, 1)
        to_float = AudioResampler(format="flt")  # packed: PyAV reads no more than seven planes
        parts, start, decoded = [], None, 0
        for frame in container.decode(stream):
            start = frame.time if start is None else start
            decoded += frame.samples
            check_seconds(path, decoded / rate)
            if (len(frame.layout.channels), frame.sample_rate) != (channels, rate):
                raise InputError(
                    f"{path} changes its sound midway, from {channels} channels at {rate} Hz to "
                    f"{len(frame.layout.channels)} at {frame.sample_rate}: cut it there first"
                )
            parts += [_planes(part, channels) for part in to_float.resample(frame)]
        parts += [_planes(part, channels) for part in to_float.resample(None)] if parts else []
        begin = (container.start_time or 0) / av.time_base
    gap = (start or 0.0) - begin
    check_seconds(path, gap)
    if gap >= LEAST_GAP:
        parts.insert(0, np.zeros((channels, round(gap * rate)), np.float32))
    waveform = np.concatenate(parts, axis=1) if parts else np.zeros((channels, 0), np.float32)
    try:
        sound = Sound(waveform, rate)
    except InputError as error:
        raise InputError(f"{path} cannot be used: {error}") from None
    return sound if sample_rate is None else sound.resampled(sample_rate)


def _planes(frame: av.AudioFrame, channels: int) -> Samples:
    """Packed samples as (C, N) float32."""
    return frame.to_ndarray().astype(np.float32, copy=False).reshape(-1, channels).T


def write_wav(sound: Sound, path: str | Path, comment: str = "") -> Path:
    """Write samples as they are (32-bit float), whole or not at all.

    Args:
        sound: What to write; values beyond full scale are kept.
        path: A `.wav` file; it is replaced when it exists.
        comment: For the file's metadata.

    Raises:
        InputError: Another suffix, or a place that takes no file.
        ResourceError: The disk is full.
    """
    path = Path(path)
    if path.suffix.lower() != ".wav":
        raise InputError(f"{path} must end in .wav")
    with (
        replacing(path) as part,
        writing(),
        av.open(f"file:{part}", "w", format="wav", options={"fflags": "+bitexact"}) as container,
    ):
        container.metadata["comment"] = comment
        layout = layout_of(len(sound.waveform))
        stream = container.add_stream("pcm_f32le", rate=sound.sample_rate, layout=layout)
        container.start_encoding()
        if sound.waveform.shape[1]:
            container.mux(stream.encode(to_frame(sound, 0, sound.waveform.shape[1])))
        container.mux(stream.encode(None))
    return path
