"""What the toybox promises about its sounds: in time with the picture, told apart by material, free of surprises."""

from dataclasses import replace

import numpy as np
import pytest

from shared.errors import InputError
from shared.toybox import HELD_OUT
from shared.toybox.judges.scenes import judge_tracks
from shared.toybox.judges.sounds import silence_share
from shared.toybox.scenes.scene import Actor, Scene
from shared.toybox.scenes.wording import MATERIAL_WORDS
from shared.toybox.sounds.captions import caption_music, caption_sound
from shared.toybox.sounds.impacts import SAMPLE_RATE, scene_events
from shared.toybox.sounds.music import BEATS, INSTRUMENTS, MODES, TEMPOS, Music, play
from shared.toybox.sounds.sound import FPS, hum, sound_of, toy_sound


def bouncing(**changes):
    actor = Actor("red", "circle", "bounce", size=0.35, travel=0.6, material="metal")
    return replace(actor, **changes)


def test_events_are_the_moments_when_the_object_is_lowest():
    clip = next(c for c in (toy_sound(seed) for seed in range(20)) if len(c.facts.events) > 2)
    (track,) = judge_tracks(clip.frames)
    heights = track[:, 1]
    for event in clip.facts.events:
        near = round(event * FPS)
        window = heights[max(near - 8, 0) : near + 9]
        assert abs(int(window.argmax()) + max(near - 8, 0) - event * FPS) <= 1.5


def test_every_landing_is_an_event_and_nothing_else_is():
    scene = Scene((bouncing(period=1.0, phase=0.25),), "gray")
    assert [event.seconds for event in scene_events(scene, 4.0)] == pytest.approx([0.75, 1.75, 2.75, 3.75])
    assert scene_events(Scene((Actor("red", "circle", "left", size=0.3, travel=0.8),), "gray"), 4.0) == ()


def test_two_objects_are_heard_each_at_its_own_landings():
    pair = (bouncing(period=1.0, phase=0.5), bouncing(period=1.4, phase=0.5, color="blue"))
    events = scene_events(Scene(pair, "gray"), 2.0)
    assert [(event.actor, event.seconds) for event in events] == [(0, 0.5), (1, 0.7), (0, 1.5)]


def test_a_seed_makes_the_same_clip_every_time():
    first, again, other = toy_sound(3), toy_sound(3), toy_sound(4)
    assert np.array_equal(first.waveform, again.waveform)
    assert first.facts == again.facts
    assert not np.array_equal(first.waveform, other.waveform)


@pytest.mark.parametrize("seconds", [0.5, 4.0, 60.0])
def test_sound_is_as_long_as_the_picture(seconds):
    clip = toy_sound(1, seconds=seconds)
    assert len(clip.waveform) == round(seconds * SAMPLE_RATE)
    assert clip.waveform.dtype == np.float32
    assert np.abs(clip.waveform).max() <= 1
    assert len(clip.render(fps=8.0, size=16)) == round(seconds * 8)


def test_training_never_hears_what_is_held_out():
    def triples(split):
        actors = (toy_sound(seed, split, 0.5).scene.actors[0] for seed in range(40))
        return {(actor.color, actor.shape, actor.motion) for actor in actors}

    assert not triples("train") & HELD_OUT
    assert triples("heldout") <= HELD_OUT


def test_music_comes_when_it_is_asked_for():
    clips = [toy_sound(seed, music=True) for seed in range(5)]
    assert all(clip.facts.music and clip.accompaniment.any() for clip in clips)
    quiet = [toy_sound(seed, music=False) for seed in range(5)]
    assert not any(clip.facts.music or clip.accompaniment.any() for clip in quiet)
    assert not any(clip.facts.speech for clip in clips + quiet)


@pytest.mark.parametrize("instrument", INSTRUMENTS)
@pytest.mark.parametrize("mode", MODES)
def test_chords_and_tunes_never_stop_and_swell_softly(instrument, mode):
    music = play(Music(instrument, mode, "fast", 5), 3 * SAMPLE_RATE)
    level = np.abs(music[4000:44000].reshape(-1, 4000)).max(axis=1)
    assert level.min() > 0.3
    assert np.abs(music[: round(0.02 * SAMPLE_RATE)]).max() < 0.2 * np.abs(music).max()
    assert set(BEATS) == set(TEMPOS)


def test_faster_objects_rush_louder():
    def loudness(travel):
        scene = Scene((Actor("red", "circle", "orbit", size=0.3, travel=travel, period=2.0),), "gray")
        return sound_of(scene, 2.0, np.random.default_rng(0)).std()

    assert loudness(0.4) > 10 * hum(16_000, 7e-4).std()


def test_a_room_hums_below_silence_but_is_not_nothing():
    room = hum(SAMPLE_RATE, 7e-4)
    assert silence_share(room) == 1.0
    assert np.abs(room).max() < 2.5 * room.std()
    spectrum = np.abs(np.fft.rfft(room))[62:7900]
    bands = np.add.reduceat(spectrum, np.arange(0, len(spectrum), 500))
    assert bands.max() < 1.5 * bands[:-1].min()


def test_captions_name_the_material_only_when_they_may():
    facts = next(f for f in (toy_sound(seed).facts for seed in range(9)) if f.material)
    rng = np.random.default_rng(0)
    named = [caption_sound(facts, rng) for _ in range(100)]
    words = MATERIAL_WORDS[facts.material]
    assert all(any(word in text.lower() for word in words) for text in named)
    every = [word for words in MATERIAL_WORDS.values() for word in words]
    nameless = [caption_sound(facts, rng, material=False).lower() for _ in range(200)]
    assert not any(word in text.split() for text in nameless for word in every)
    assert len(set(nameless)) > 20


def test_captions_of_music_name_instrument_key_and_pace():
    assert caption_music(Music("organ", "minor", "slow")) == "organ chords, in a minor key, slow"
    rng = np.random.default_rng(0)
    written = {caption_music(Music("flute", "major", "fast"), rng) for _ in range(200)}
    assert len(written) > 30
    assert all("flute" in text.lower() for text in written)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": 0, "seconds": 0.1}, {"seed": 0, "split": "test"}])
def test_what_cannot_be_made_is_refused(wrong):
    with pytest.raises(InputError):
        toy_sound(**wrong)
