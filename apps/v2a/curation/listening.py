"""What is found out about one clip: whether it can be used, what is heard in it, and how it fits the picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from apps.v2a.curation.activity import TAGS, Category, Detector, Span, Tag, category_of, silent_share
from apps.v2a.model.layout import AudioLayout
from apps.v2a.request import LONGEST_SECONDS
from foundation.checkpoints.hashes import cache_folder
from foundation.data.folder.folder import Item
from foundation.data.folder.survey import FileRecord
from shared.errors import InputError
from shared.media.sound import Sound, read_sound

if TYPE_CHECKING:
    from apps.v2a.curation.scoring import ConsistencyScorer


@dataclass(frozen=True)
class Heard:
    """What is heard in a clip.

    Attributes:
        seconds: how long the sound is.
        silence: share of it in pauses.
        present: tags of the clip as a whole.
        spans: of every tag, when it is heard.
    """

    seconds: float
    silence: float
    present: list[Tag]
    spans: dict[Tag, list[Span]]

    @property
    def category(self) -> Category:
        """One of the paper's four classes."""
        return category_of(self.present)


@dataclass(frozen=True)
class Scored:
    """How well picture and sound belong together, -1 to 1."""

    consistency: float


class Listener:
    """Listens to clips, each once for as long as it stays the same.

    Args:
        detector: who tells speech from music.
        scorer: who tells whether the sound belongs to the picture; None: nobody.
        layout: how long a clip has to be.
    """

    def __init__(self, detector: Detector, scorer: ConsistencyScorer | None, layout: AudioLayout) -> None:
        self.detector, self.scorer, self.layout = detector, scorer, layout
        self.heard = FileRecord(_record("heard", detector.identity), Heard)
        self.scored = FileRecord(_record("scored", scorer.identity), Scored) if scorer else None

    def __call__(self, item: Item) -> tuple[Heard, float | None]:
        """What is heard in a clip, and its score where there is a scorer.

        Raises:
            InputError: the clip cannot be trained on; the line names no file.
        """
        self._check_picture(item)
        sound = _Once(item.path)
        try:
            heard = self.heard.of(item.path, partial(self._listen, sound))
            self._check_length("sound", heard.seconds)
            if self.scored is None or self.scorer is None:
                return heard, None
            score = self.scorer
            scored = self.scored.of(item.path, lambda path: Scored(round(score(path, sound()), 4)))
        except InputError as error:
            raise InputError(str(error).removeprefix(f"{item.path} ")) from error
        return heard, scored.consistency

    def _listen(self, sound: Callable[[], Sound], path: Path) -> Heard:
        stored = sound()
        self._check_length("sound", stored.seconds)
        activity = self.detector(stored.resampled(self.detector.sample_rate).mono)
        return Heard(
            round(stored.seconds, 3),
            round(silent_share(stored.mono, stored.sample_rate), 4),
            list(activity.present),
            {tag: activity.spans(tag) for tag in TAGS},
        )

    def _check_picture(self, item: Item) -> None:
        medium = item.medium
        if medium.still:
            raise InputError("a picture has no sound")
        seconds = medium.span * medium.frames / (medium.frames - 1)
        if seconds > LONGEST_SECONDS:
            raise InputError(f"lasts {seconds:.0f} s, at most {LONGEST_SECONDS} s are used: cut it first")
        self._check_length("picture", seconds)

    def _check_length(self, what: str, seconds: float) -> None:
        if self.layout.tokens(seconds) < self.layout.window:
            raise InputError(
                f"its {what} lasts {seconds:.4g} s, less than the {self.layout.window_seconds:g} s that are trained on"
            )


class _Once:
    """A clip's sound, decoded when somebody asks for it and no second time."""

    def __init__(self, path: Path) -> None:
        self.path, self.sound = path, None

    def __call__(self) -> Sound:
        if self.sound is None:
            self.sound = read_sound(self.path)
        if self.sound is None or not self.sound.waveform.size:
            raise InputError("has no sound")
        return self.sound


def _record(what: str, identity: str) -> Path:
    """Findings of one detector, or of one model's weights."""
    return cache_folder() / f"{what}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.jsonl"
