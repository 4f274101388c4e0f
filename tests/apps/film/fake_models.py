"""Model folders with a few bytes for weights, and pipelines that make noise at once: films without torch."""

import json
import sys
import types
import zlib
from dataclasses import dataclass

import numpy as np

from apps.v2a.checkpoints import SoundDefaults, write_defaults
from apps.v2a.model.layout import AudioLayout
from foundation.checkpoints.defaults import ModelDefaults
from foundation.checkpoints.registry import INDEX_FILE, PARTS, WEIGHTED
from shared.config import Size
from shared.media.sound import Sound
from shared.results import Clip
from shared.results.soundtrack import Soundtrack

STORY = """
seed: 7
shots:
  - prompt: a red circle moves right
    sound: a wooden ball rolls
  - prompt: it bounces
    first: before
    frames: 9
  - prompt: a blue star spins
    sound: none
"""

STORY_PARTS = [
    ("t2v", "a red circle moves right"),
    ("t2v", "a blue star spins"),
    ("i2v", "it bounces"),
    ("v2a", "a wooden ball rolls"),
    ("v2a", ""),
]

FPS, STEPS, SOUND_STEPS = 8.0, 3, 2
RUNTIME = {"device": "cpu", "dtype": "float32", "threads": 1, "processor": "test"}
WEIGHTS = {"weights_sha256": {"transformer": "ab" * 32}, "runtime": RUNTIME}


def write_model(folder):
    """A folder that is a video model to whoever does not load it."""
    for part in PARTS:
        (folder / part).mkdir(parents=True)
        if part in WEIGHTED:
            (folder / part / "weights.safetensors").write_text(f"{part} of {folder.name}")
    (folder / INDEX_FILE).write_text("{}")
    about = {"fps": FPS, "size": [32, 16], "frames": 5, "steps": STEPS, "cfg": 2.0}
    (folder / "kinora.json").write_text(json.dumps(about))
    return folder


def write_sound_model(folder):
    """A folder that holds sound weights to whoever does not load them."""
    for part in ("transformer", "sync_encoder"):
        (folder / "v2a" / part).mkdir(parents=True)
        (folder / "v2a" / part / "weights.safetensors").write_text(part)
    write_defaults(folder / "v2a", SoundDefaults(AudioLayout(), steps=SOUND_STEPS))
    return folder


@dataclass(frozen=True)
class Step:
    index: int
    total: int
    sigma: float


class Fake:
    """Remembers what it was asked for; raises when the prompt says so.

    Attributes:
        calls: the prompt of every call, and its settings.
        loads: the models that were loaded, in their order.
    """

    calls, loads = [], []
    lora = ()

    @classmethod
    def from_pretrained(cls, model, *words, note=None, **settings):
        Fake.loads.append((cls.name, model))
        return cls()

    def walk(self, prompt, steps, on_step, shape):
        if "broken" in prompt:
            raise RuntimeError("the model broke")
        for index in range(steps):
            on_step(Step(index, steps, 1.0), np.zeros(shape), np.zeros(shape))


class FakeVideo(Fake):
    name = "t2v"
    defaults = ModelDefaults(FPS, Size(32, 16), 5, STEPS, shift=3.0, cfg=2.0, guidance=None)

    def __call__(self, prompt, *, seed, size, frames, steps, on_step, **settings):
        self.calls.append(("t2v", prompt, {"seed": seed, "frames": frames, "steps": steps, **settings}))
        return self.clip(prompt, seed, size, frames, steps, on_step)

    def clip(self, prompt, seed, size, frames, steps, on_step):
        self.walk(prompt, steps, on_step, (1, 4, 2, 2, 4))
        rng = np.random.default_rng([seed, zlib.crc32(prompt.encode())])
        pixels = rng.integers(0, 256, (frames, size.height, size.width, 3), np.uint8)
        return Clip(pixels, FPS, WEIGHTS)


class FakePictured(FakeVideo):
    name = "i2v"

    def defaults_with(self, stability):
        return self.defaults

    def __call__(self, image, prompt, *, seed, size, frames, steps, on_step, **settings):
        from shared.media.picture import read_png

        first = read_png(image)
        self.calls.append(("i2v", prompt, {"seed": seed, "image": image, "first": first, **settings}))
        clip = self.clip(prompt, seed, size, frames, steps, on_step)
        clip.frames[0] = first if first.shape == clip.frames[0].shape else 7
        return clip


class FakeSound(Fake):
    name = "v2a"
    defaults = SoundDefaults(AudioLayout(), steps=SOUND_STEPS)

    def __call__(self, video, prompt="", *, seed, steps, on_step, music, voice, **settings):
        from shared.results import read_clip

        about = {"seed": seed, "music": music, "voice": voice, **settings}
        self.calls.append(("v2a", prompt, about))
        self.walk(prompt, steps, on_step, (1, 2, 8, 4))
        samples = self.defaults.layout.samples(read_clip(video).seconds)
        wave = np.random.default_rng(seed).uniform(-0.5, 0.5, (1, samples)).astype(np.float32)
        return Soundtrack(Sound(wave, 16_000), video, metadata=WEIGHTS)


PIPELINES = {
    "foundation.t2v.pipeline": {"TextToVideoPipeline": FakeVideo},
    "apps.i2v.pipeline": {"ImageToVideoPipeline": FakePictured},
    "apps.v2a.pipeline": {"VideoToAudioPipeline": FakeSound},
}


def install(monkeypatch):
    """Put the fakes in the place of the real pipelines."""
    Fake.calls.clear()
    Fake.loads.clear()
    for name, content in PIPELINES.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


def made():
    """Commands and prompts of what the models were asked for."""
    return [(command, prompt) for command, prompt, _ in Fake.calls]
