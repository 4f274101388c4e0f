"""When a soundtrack is active, and where it is silent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


LEVEL = -60.0
"""dB of full scale below which a stretch is quiet."""

STRETCH = 0.02
"""Seconds whose level is measured."""

PAUSE = 1.5
"""Seconds that quiet has to last between two sounds to be silence: what falls between a ball's bounces belongs to
them."""


def silent_share(waveform: NDArray[np.floating], sample_rate: int) -> float:
    """Share of samples (N,) before the first sound, after the last, and in pauses; 1 for fewer than fill a stretch."""
    size = max(round(STRETCH * sample_rate), 1)
    stretches = waveform[: len(waveform) // size * size].reshape(-1, size)
    if not len(stretches):
        return 1.0
    quiet = 10 * np.log10(np.square(stretches, dtype=np.float64).mean(axis=1) + 1e-20) < LEVEL
    least = round(PAUSE / STRETCH)
    pauses = [(a, b) for a, b in runs(quiet) if a == 0 or b == len(quiet) or b - a >= least]
    return sum(stop - start for start, stop in pauses) / len(quiet)


Tag = Literal["speech", "music", "sound"]
TAGS: tuple[Tag, ...] = get_args(Tag)

Category = Literal["pure sound", "sound with speech", "sound with music", "pure music"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
"""The paper's four classes."""

LEAST: Mapping[Tag, float] = {"speech": 0.15, "music": 0.1, "sound": 0.04}
"""Share of what is heard that has to have a tag for the clip to have it."""

Span = tuple[float, float]
"""Seconds at which something begins and ends."""


@dataclass(frozen=True, eq=False)
class Activity:
    """Tags of a clip's frames; a frame may have several, and a silent one has none.

    Attributes:
        rate: frames a second.
        tags: of every kind (T,), whether it is heard.
    """

    rate: float
    tags: Mapping[Tag, NDArray[np.bool_]]

    def share(self, tag: Tag) -> float:
        """Frames with a tag, as a share of those in which anything is heard; 0 where nothing is."""
        heard = self.tags["speech"] | self.tags["music"] | self.tags["sound"]
        return float(self.tags[tag].sum() / max(heard.sum(), 1))

    def spans(self, tag: Tag) -> list[Span]:
        """When a tag is heard, to a hundredth of a second."""
        return [
            (round(start / self.rate, 2), round(stop / self.rate, 2)) for start, stop in runs(self.tags[tag])
        ]

    @property
    def present(self) -> tuple[Tag, ...]:
        """The tags of the clip as a whole."""
        return tuple(tag for tag in TAGS if self.share(tag) >= LEAST[tag])


def category_of(present: Collection[str]) -> Category:
    """The class of a clip with these tags; whoever speaks over music makes it one with speech."""
    if "speech" in present:
        return "sound with speech"
    if "music" not in present:
        return "pure sound"
    return "sound with music" if "sound" in present else "pure music"


class Detector(Protocol):
    """Listens to samples at its own rate.

    Attributes:
        sample_rate: in Hz.
        identity: changes with what it would say, so that nothing said by another is taken for its own.
    """

    sample_rate: int
    identity: str

    def __call__(self, waveform: NDArray[np.float32]) -> Activity:
        """What is heard in samples (N,), N >= 1."""
        ...


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a mask (T,) holds: start and stop of each stretch."""
    from scipy.ndimage import find_objects, label

    return [(run.start, run.stop) for (run,) in find_objects(label(mask)[0])]
