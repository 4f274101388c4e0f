"""What the toybox promises about its scenes."""

from itertools import combinations, product

import numpy as np
import pytest

from shared.errors import InputError
from shared.toybox import BACKGROUNDS, CAMERAS, COLORS, HELD_OUT, MOTIONS, SHAPES, render_scene, sample_scene
from shared.toybox.scenes.scene import Actor, Scene
from shared.toybox.scenes.vocabulary import is_decidable

KINDS = {
    "one": {"actors": 1},
    "two": {"actors": 2},
    "camera": {"actors": 1, "camera": True},
    "camera on two": {"actors": 2, "camera": True},
    "material": {"material": True},
}


def triples(scene):
    return [(actor.color, actor.shape, actor.motion) for actor in scene.actors]


@pytest.mark.parametrize("kind", KINDS)
def test_training_never_draws_what_is_held_out(kind):
    rng = np.random.default_rng(1)
    scenes = [sample_scene(rng, split="train", **KINDS[kind]) for _ in range(100)]
    assert not HELD_OUT & {triple for scene in scenes for triple in triples(scene)}


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_scenes_always_lead_with_a_held_out_combination(kind):
    rng = np.random.default_rng(2)
    assert all(triples(sample_scene(rng, split="heldout", **KINDS[kind]))[0] in HELD_OUT for _ in range(50))


def test_every_pair_of_words_stays_frequent_in_training():
    everything = {t for t in product(COLORS, SHAPES, MOTIONS) if is_decidable(t[1], t[2])}
    assert 0.12 < len(HELD_OUT) / len(everything) < 0.18
    for i, j in combinations(range(3), 2):
        for pair in {(t[i], t[j]) for t in everything}:
            whole = [t for t in everything if (t[i], t[j]) == pair]
            assert len(set(whole) - HELD_OUT) / len(whole) >= 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_undecidable_is_drawn(kind):
    rng = np.random.default_rng(3)
    for _ in range(100):
        scene = sample_scene(rng, **KINDS[kind])
        assert all(is_decidable(actor.shape, actor.motion) for actor in scene.actors)
        assert len({actor.color for actor in scene.actors}) == len(scene.actors)
        assert scene.camera == "static" or scene.texture is not None


@pytest.mark.parametrize("kind", ["one", "two", "material"])
def test_objects_stay_inside_the_picture(kind):
    rng = np.random.default_rng(4)
    for _ in range(20):
        scene = sample_scene(rng, **KINDS[kind])
        clip = render_scene(scene).astype(int)
        edge = np.concatenate([clip[:, 0], clip[:, -1], clip[:, :, 0], clip[:, :, -1]], axis=1)
        assert np.abs(edge - BACKGROUNDS[scene.background]).max() <= 1


def test_a_scene_renders_the_same_clip_every_time():
    first, second = (sample_scene(np.random.default_rng(5), camera=True) for _ in range(2))
    assert first == second
    assert np.array_equal(render_scene(first), render_scene(second))


@pytest.mark.parametrize(
    ("frames", "size", "shape"), [(1, 64, (1, 64, 64)), (33, 128, (33, 128, 128)), (5, (96, 64), (5, 64, 96))]
)
def test_any_length_and_size_can_be_drawn(frames, size, shape):
    clip = render_scene(sample_scene(np.random.default_rng(6)), frames=frames, size=size)
    assert clip.shape == (*shape, 3)
    assert clip.dtype == np.uint8


def test_a_longer_clip_carries_the_motion_through_to_its_end():
    scene = Scene((Actor("red", "circle", "right", size=0.3, travel=0.8),), "gray")
    assert np.array_equal(render_scene(scene, frames=17)[-1], render_scene(scene, frames=33)[-1])


def test_a_camera_that_pans_right_moves_the_world_left():
    scene = Scene((Actor("red", "circle", "right", size=0.3),), "gray", "spotted", 3, "pan right", 0.5)
    first, last = (np.argwhere(frame[..., 1] < 60)[:, 1].mean() for frame in render_scene(scene)[[0, -1]])
    assert first - last == pytest.approx(16, abs=1)


def test_every_camera_is_drawn():
    rng = np.random.default_rng(7)
    assert {sample_scene(rng, camera=True).camera for _ in range(100)} == set(CAMERAS)


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_motion_that_is_asked_for_leads(split):
    rng = np.random.default_rng(8)
    scenes = [sample_scene(rng, split=split, motion="bounce") for _ in range(20)]
    assert {scene.actors[0].motion for scene in scenes} == {"bounce"}


@pytest.mark.parametrize(
    "wrong", [{"split": "test"}, {"actors": 3}, {"material": True, "camera": True}, {"motion": "jump"}]
)
def test_what_cannot_be_drawn_is_refused(wrong):
    with pytest.raises(InputError):
        sample_scene(np.random.default_rng(0), **wrong)


def test_an_empty_clip_is_refused():
    with pytest.raises(InputError):
        render_scene(sample_scene(np.random.default_rng(0)), frames=0)
