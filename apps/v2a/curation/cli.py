"""`kinora data v2a FOLDER`: which clips of a folder are worth training video-to-audio on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.v2a.curation.request import CurationRequest
from shared.config import from_argv, local_path
from shared.console import note, result
from shared.errors import InputError, WeightsError

if TYPE_CHECKING:
    from apps.v2a.curation.activity import Detector
    from apps.v2a.curation.scoring import ConsistencyScorer
    from foundation.data.folder.folder import Folder

DESCRIPTION = "Clips whose sound is worth learning: with a sound, tagged, scored, and captioned."


def main(argv: list[str]) -> None:
    """Look at a folder, print what is kept and why, and write what `kinora train v2a data=...` reads.

    Raises:
        InputError: a flag is refused, or nothing in the folder can be trained on.
        WeightsError: weights that are asked for are missing or damaged.
    """
    curate(from_argv(CurationRequest, argv, "kinora data v2a", DESCRIPTION, word="folder"))


def curate(request: CurationRequest) -> Path:
    """Carry out a request; the folder that training reads."""
    from apps.v2a.checkpoints import read_defaults
    from apps.v2a.conditioning.captions import entry_captions
    from apps.v2a.curation import output
    from apps.v2a.curation.listening import Listener
    from apps.v2a.curation.selection import select
    from foundation.data.folder.folder import check_folder, read_folder

    check_folder(request.root)
    output.check_place(request.place)
    weights = _weights(request.model)
    detector, scorer = _detector(request), _scorer(request, weights)
    folder = read_folder(request.root, read=entry_captions, captioned=False)
    _note_uncaptioned(folder)
    verdicts = select(folder, Listener(detector, scorer, read_defaults(weights).layout), request)
    clips = output.write(request.place, verdicts)
    for line in output.table(verdicts):
        result(line)
    kept = sum(verdict.reason is None for verdict in verdicts)
    if not kept:
        why = "every file in it is left out" if verdicts else "there is no clip in it"
        raise InputError(f"{request.root} holds nothing to train on: {why}")
    result(f"{kept} of {len(verdicts)} kept: kinora train v2a data={clips}")
    return clips


def _weights(model: str) -> Path:
    """The folder of a model's sound weights, whichever of its parts are there."""
    from apps.v2a.checkpoints import FOLDER
    from foundation.checkpoints.registry import resolve

    own = local_path(model)
    if (own / "mel_vae").is_dir():
        return own
    return (own if own.is_dir() else resolve(model)) / FOLDER


def _detector(request: CurationRequest) -> Detector:
    if isinstance(request.detector, Path):
        from apps.v2a.curation.classifier import ClassifierDetector

        return ClassifierDetector(local_path(request.detector))
    from apps.v2a.curation.spectral import SpectralDetector

    return SpectralDetector()


def _scorer(request: CurationRequest, weights: Path) -> ConsistencyScorer | None:
    """The scorer, or None, said aloud, where nobody has asked for scores and there are no weights for it."""
    from apps.v2a.curation.scoring import PART, ConsistencyScorer

    if (weights / PART).is_dir():
        return ConsistencyScorer.load(weights)
    missing = f"{weights / PART} is missing; kinora train av_consistency makes it"
    if request.consistency is not None:
        raise WeightsError(f"consistency {request.consistency:g} cannot be asked for: {missing}")
    note(f"picture and sound are not compared: {missing}")
    return None


def _note_uncaptioned(folder: Folder) -> None:
    mute = sum(not item.captions for item in folder.items)
    if mute:
        note(f"{mute} of {len(folder.items)} clips have no caption: their class stands for it")
