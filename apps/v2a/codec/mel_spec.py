"""What the parts of a codec must agree on: rates, bands and floor of a log-mel spectrogram; torch stays out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from shared.config import one_of
from shared.errors import ConfigError

LARGEST_FFT, LARGEST_RATE = 65_536, 768_000

FILTERS: dict[str, dict[str, Any]] = {
    "slaney": {"htk": False, "norm": "slaney"},
    "htk": {"htk": True, "norm": None},
}
"""librosa's own mel filters, and torchaudio's, which Vocos was released with."""

LOGARITHMS = {"natural": 1.0, "decimal": 1 / math.log(10)}
"""Factor on the natural logarithm."""


@dataclass(frozen=True)
class MelSpec:
    """Rates, bands and floor of a log-mel spectrogram; a mel VAE and a vocoder go together if theirs are equal.

    Attributes:
        sample_rate: samples per second.
        n_fft: samples of the Hann window.
        hop_length: samples from one frame to the next.
        n_mels: bands.
        fmin: lower edge of the lowest band in Hz.
        fmax: upper edge of the highest band in Hz, at most half the sample rate.
        floor: magnitude below which everything is equal.
        logarithm: a key of `LOGARITHMS`.
        filters: a key of `FILTERS`.
        padding: `same` gives N / hop frames, each in the middle of its hop; `center` one more, at its beginning.

    Raises:
        ConfigError: a number outside of these ranges, or another word.
    """

    sample_rate: int = 16_000
    n_fft: int = 1024
    hop_length: int = 256
    n_mels: int = 64
    fmin: float = 0.0
    fmax: float = 8000.0
    floor: float = 1e-5
    logarithm: str = "natural"
    filters: str = "slaney"
    padding: str = "same"

    def __post_init__(self) -> None:
        if not (0 < self.hop_length <= self.n_fft and self.n_mels > 0 and self.floor > 0):
            raise ConfigError(
                f"mel spectrogram: hop_length {self.hop_length} of n_fft {self.n_fft}, {self.n_mels} bands, floor "
                f"{self.floor}: need 0 < hop_length <= n_fft, a band, and a floor above 0"
            )
        if max(self.n_fft, self.n_mels) > LARGEST_FFT or self.sample_rate > LARGEST_RATE:
            raise ConfigError(
                f"mel spectrogram: n_fft {self.n_fft}, n_mels {self.n_mels}, sample_rate {self.sample_rate}: at most "
                f"{LARGEST_FFT}, {LARGEST_FFT} and {LARGEST_RATE} expected"
            )
        if not 0 <= self.fmin < self.fmax <= self.sample_rate / 2:
            raise ConfigError(
                f"mel spectrogram: bands from {self.fmin} to {self.fmax} Hz at {self.sample_rate} samples a second: "
                "need 0 <= fmin < fmax <= half of them"
            )
        for name, words in (
            ("logarithm", LOGARITHMS),
            ("filters", FILTERS),
            ("padding", ("same", "center")),
        ):
            if getattr(self, name) not in words:
                raise ConfigError(f"mel spectrogram: {name} {getattr(self, name)!r}: need {one_of(words)}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> MelSpec:
        """A spec from a configuration's or a file's values.

        Raises:
            ConfigError: an unknown key, or a value of another type or outside of its range.
        """
        defaults = asdict(cls())
        for name, value in values.items():
            if name not in defaults:
                raise ConfigError(f"mel spectrogram: unknown key {name!r}; {one_of(defaults)} are known")
            wanted = type(defaults[name])
            if not isinstance(value, (int, float) if wanted is float else wanted) or isinstance(value, bool):
                raise ConfigError(f"mel spectrogram: {name} is {value!r}; need a {wanted.__name__}")
        return cls(**{name: type(defaults[name])(value) for name, value in values.items()})

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    @property
    def lowest(self) -> float:
        """The value of a band without sound."""
        return math.log(self.floor) * LOGARITHMS[self.logarithm]

    @property
    def margin(self) -> int:
        """Samples that are mirrored at each end; a waveform has more than these."""
        return (self.n_fft - self.hop_length if self.padding == "same" else self.n_fft) // 2

    def frames(self, samples: int) -> int:
        """Frames that cover so many samples."""
        return math.ceil(samples / self.hop_length) + (self.padding == "center")

    def samples(self, frames: int) -> int:
        """Samples that so many frames cover."""
        return (frames - (self.padding == "center")) * self.hop_length

    def difference(self, other: MelSpec) -> str:
        """What tells two specs apart, in words; empty where nothing does."""
        own, others = asdict(self), asdict(other)
        return ", ".join(f"{key} {own[key]} and {others[key]}" for key in own if own[key] != others[key])
