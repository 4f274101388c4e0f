"""Which clips are kept, and with which captions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from apps.v2a.conditioning.captions import MUSIC, NONE, SOUND, SPEECH, merged, parts_of
from apps.v2a.curation.listening import Heard, Listener
from apps.v2a.curation.request import CurationRequest
from foundation.data.folder.captions import Captions
from foundation.data.folder.folder import Folder, Item
from shared.console import progress
from shared.errors import InputError


@dataclass(frozen=True)
class Verdict:
    """What becomes of a file.

    Attributes:
        name: its path within the folder; or what else is wrong there, such as a line of a listing.
        reason: why it is left out; None for a clip that is kept.
        path: where a clip is.
        heard: what is heard in it, where that is known.
        consistency: its score, where there is one.
        captions: of a clip that is kept.
    """

    name: str
    reason: str | None
    path: Path | None = None
    heard: Heard | None = None
    consistency: float | None = None
    captions: Captions = ()


def select(folder: Folder, listener: Listener, request: CurationRequest) -> list[Verdict]:
    """A verdict on everything in a folder, by name."""
    verdicts = [Verdict(rejected.name, rejected.reason) for rejected in folder.rejected]
    with progress(len(folder.items), "listening") as bar:
        for item in folder.items:
            verdicts.append(_judged(item, listener, request))
            bar.advance()
    return sorted(verdicts, key=lambda verdict: verdict.name)


def _judged(item: Item, listener: Listener, request: CurationRequest) -> Verdict:
    try:
        heard, score = listener(item)
    except InputError as error:
        return Verdict(item.name, str(error))
    reason = _fault(heard, score, request)
    return Verdict(
        item.name, reason, item.path, heard, score, () if reason else captions_of(item.captions, heard)
    )


def _fault(heard: Heard, score: float | None, request: CurationRequest) -> str | None:
    if heard.silence > request.silence:
        return f"{heard.silence:.0%} of its sound is silence, more than {request.silence:.0%}"
    if request.only and heard.category not in request.only:
        return f"{heard.category}, which is not asked for"
    if request.consistency is not None and score is not None and score < request.consistency:
        return f"picture and sound agree by {score:.2f}, less than {request.consistency:g}"
    return None


def captions_of(given: Iterable[str], heard: Heard) -> Captions:
    """Captions as they are and with all parts named; the class stands for the sound where nobody has said any.

    A part that no caption has is said to be absent where nothing of the kind is heard, and left open where it is.
    """
    absent = {part: NONE for part in (MUSIC, SPEECH) if part not in heard.present}
    captions: dict[str, None] = {}
    for caption in given:
        captions |= {caption: None, merged(**absent | parts_of(caption)): None}
    return tuple(captions) or (merged(**absent | {SOUND: heard.category}),)
