"""Says in words what is heard: a caption for the sound, with or without the material, and one for the music."""

import numpy as np

from shared.toybox.scenes.captions import punctuate
from shared.toybox.scenes.sampling import pick
from shared.toybox.scenes.wording import MATERIAL_WORDS, SHAPE_WORDS
from shared.toybox.sounds.music import Music
from shared.toybox.sounds.sound import ROLLING, SoundFacts

IMPACTS = (
    "{thing} bounces",
    "{thing} bounces up and down",
    "{thing} hits the ground again and again",
    "the sound of {thing} bouncing",
    "repeated impacts of {thing}",
    "{thing} bouncing on the floor",
    "the bounces of {thing}",
)
ROLLS = (
    "{thing} rolls",
    "{thing} rolls along",
    "the sound of {thing} rolling",
    "{thing} rolling over the floor",
    "the rumble of {thing} that rolls",
)
RUSHES = (
    "{thing} whooshes",
    "{thing} rushes through the air",
    "the whoosh of {thing}",
    "a rush of air around {thing}",
    "{thing} swishing",
)
THINGS = ("object", "thing", "body")
"""What an object may be called beside its shape."""

TUNES = {
    "organ": ("organ chords", "chords of an organ", "an organ playing chords"),
    "flute": ("a flute melody", "the melody of a flute", "a flute playing a tune"),
}
KEYS = {
    "major": ("in a major key", "in major", "cheerful"),
    "minor": ("in a minor key", "in minor", "sad"),
}
PACES = {"slow": ("slow", "at a slow pace", "calm"), "fast": ("fast", "at a quick pace", "lively")}


def caption_sound(facts: SoundFacts, rng: np.random.Generator | None = None, *, material: bool = True) -> str:
    """A caption of everything but the music.

    Args:
        facts: what is heard.
        rng: chooses among the wordings; None takes the first of each.
        material: whether the material is named, where there is one.
    """
    sentences = IMPACTS if facts.motion == "bounce" else ROLLS if facts.motion in ROLLING else RUSHES
    shapes = SHAPE_WORDS[facts.shape]
    words = [shapes[0] if rng is None else pick(rng, (*shapes, *THINGS))]
    if material and facts.material is not None:
        adjectives = MATERIAL_WORDS[facts.material]
        words.insert(0, adjectives[0] if rng is None else pick(rng, adjectives))
    thing = " ".join(words)
    text = (sentences[0] if rng is None else pick(rng, sentences)).format(
        thing=f"{'an' if thing[0] in 'aeio' else 'a'} {thing}"
    )
    return text if rng is None else punctuate(text, rng)


def caption_music(music: Music, rng: np.random.Generator | None = None) -> str:
    """A caption of the music alone; without `rng` the first wording: "organ chords, in a major key, slow"."""
    tables = (TUNES[music.instrument], KEYS[music.mode], PACES[music.tempo])
    if rng is None:
        return ", ".join(words[0] for words in tables)
    tune, *rest = (pick(rng, words) for words in tables)
    order = rng.permutation(len(rest))
    return punctuate(", ".join([tune, *(rest[i] for i in order)]), rng)
