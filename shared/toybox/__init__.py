"""The procedural world that the starter weights are trained on and judged by (DESIGN section 4)."""

from shared.toybox.scenes.captions import (
    ActorFacts,
    SceneFacts,
    caption_facts,
    caption_scene,
    describe_scene,
)
from shared.toybox.scenes.reading import read_scene
from shared.toybox.scenes.sampling import sample_scene
from shared.toybox.scenes.scene import Actor, Scene, render_scene
from shared.toybox.scenes.vocabulary import (
    BACKGROUNDS,
    CAMERAS,
    COLORS,
    HELD_OUT,
    MATERIALS,
    MOTIONS,
    SHAPES,
    TEXTURES,
    is_held_out,
)

__all__ = [
    "BACKGROUNDS",
    "CAMERAS",
    "COLORS",
    "HELD_OUT",
    "MATERIALS",
    "MOTIONS",
    "SHAPES",
    "TEXTURES",
    "Actor",
    "ActorFacts",
    "Scene",
    "SceneFacts",
    "caption_facts",
    "caption_scene",
    "describe_scene",
    "is_held_out",
    "read_scene",
    "render_scene",
    "sample_scene",
]
