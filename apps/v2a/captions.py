"""Structured captions: what is heard, the music, and whether anyone speaks, merged into one text (paper, "Data")."""

from __future__ import annotations

NONE = "none"
"""What a part of a caption says that names something absent."""

MUSIC, SPEECH = "music", "speech"
"""Names of the parts, and what a negative prompt calls them."""


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
    return "; ".join([f"sound: {sound}"] * bool(sound.strip()) + parts)


def asked_for(prompt: str, music: bool = True, voice: bool = True) -> str:
    """A user's prompt as training captions are written; what shall not be there is named as absent."""
    return merged(prompt, None if music else NONE, None if voice else NONE)


def not_asked_for(negative_prompt: str, music: bool = True, voice: bool = True) -> str:
    """A user's negative prompt, with what else shall not be heard."""
    unwanted = [MUSIC] * (not music) + [SPEECH] * (not voice)
    return ", ".join([negative_prompt] * bool(negative_prompt.strip()) + unwanted)
