"""Everything that `kinora data v2a` can set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apps.v2a.curation.activity import Category
from shared.config import check, local_path, setting
from shared.errors import InputError
from shared.media.naming import DEFAULT_FOLDER, slug


@dataclass(frozen=True)
class CurationRequest:
    """One look at a folder of clips.

    Raises:
        InputError: no folder, a value out of bounds, or a place for the result inside of the folder.
    """

    folder: Path | None = setting(None, "clips, with captions or without", metavar="FOLDER", local=True)
    silence: float = setting(0.8, "the largest share of silence", minimum=0, maximum=1)
    only: tuple[Category, ...] = setting(
        (),
        'a class that is kept: "pure sound", "sound with speech", "sound with music", "pure music"; may be given '
        "several times",
        metavar="CLASS",
    )
    consistency: float | None = setting(
        None,
        "the least agreement of picture and sound, as av_consistency scores it",
        minimum=-1,
        maximum=1,
        unset="scored where there are weights for it, and nothing left out",
    )
    detector: Literal["spectral"] | Path = setting(
        "spectral",
        "who tells speech from music: signal features, or the folder of a transformers audio classifier",
    )
    model: str = setting("starter", "whose consistency weights, and whose shortest clip")
    out: Path | None = setting(
        None, "where the report and links to the clips go", unset="outputs/FOLDER-v2a", local=True
    )

    def __post_init__(self) -> None:
        check(self)
        if self.folder is None:
            raise InputError("name a folder of clips")
        if self.place.resolve().is_relative_to(self.root.resolve()):
            raise InputError(f"out: {self.place} is inside of {self.root}, whose clips it would hold again")

    @property
    def root(self) -> Path:
        """The folder of clips."""
        assert self.folder is not None
        return local_path(self.folder)

    @property
    def place(self) -> Path:
        """Where the results go."""
        return local_path(self.out) if self.out else DEFAULT_FOLDER / f"{slug(self.root.resolve().name)}-v2a"
