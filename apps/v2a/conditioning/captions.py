"""Structured captions: what is heard, the music, and whether anyone speaks, merged into one text (paper, "Data")."""

from __future__ import annotations

import re
from typing import Any

from foundation.data.folder import captions
from foundation.data.folder.captions import Captions, one_line

NONE = "none"
"""What a part of a caption says that names something absent."""

SOUND, MUSIC, SPEECH = "sound", "music", "speech"
"""Names of the parts, and what a negative prompt calls the last two."""


def merged(sound: str, music: str | None = None, speech: str | None = None) -> str:
    """One caption of parts; the sound alone stands without its name.

    Args:
        sound: what is heard beside music and speech; may be empty.
        music: the music, `NONE` for no music, or None to leave it open.
        speech: likewise.
    """
    named = {MUSIC: music, SPEECH: speech}
    parts = [f"{name}: {text}" for name, text in named.items() if text is not None]
    if not parts:
        return sound
    return "; ".join([f"{SOUND}: {sound}"] * bool(sound.strip()) + parts)


def parts_of(caption: str) -> dict[str, str]:
    """The parts of a caption by their names, as `merged` joins them; one without named parts is all sound."""
    sound, *named = re.split(rf"(?:^|; )({SOUND}|{MUSIC}|{SPEECH}): ", caption)
    return {SOUND: sound} | dict(zip(named[::2], named[1::2], strict=True))


def entry_captions(entry: Any, source: str) -> Captions:
    """The captions in a JSON object: those of every clip, or texts `sound`, `music` and `speech`, merged.

    The sound's may be called `caption` or `captions`, too. See `foundation.data.folder.captions.Reader`.
    """
    if not isinstance(entry, dict) or not entry.keys() & {SOUND, MUSIC, SPEECH}:
        return captions.entry_captions(entry, source)
    parts = {name: one_line(entry[name], source) for name in (SOUND, MUSIC, SPEECH) if name in entry}
    sounds: Captions = (parts.pop(SOUND, ""),)
    if entry.keys() & {"caption", "captions"}:
        sounds = captions.entry_captions(entry, source)
    return tuple(merged(sound, **parts) for sound in sounds)


def asked_for(prompt: str, music: bool = True, voice: bool = True) -> str:
    """A user's prompt as training captions are written; what shall not be there is named as absent."""
    return merged(prompt, None if music else NONE, None if voice else NONE)


def not_asked_for(negative_prompt: str, music: bool = True, voice: bool = True) -> str:
    """A user's negative prompt, with what else shall not be heard."""
    unwanted = [MUSIC] * (not music) + [SPEECH] * (not voice)
    return ", ".join([negative_prompt] * bool(negative_prompt.strip()) + unwanted)
