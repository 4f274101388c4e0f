"""The starter's sound weights: whole, on the encoders that they were trained with, and in time with what is seen."""

import json

import numpy as np
import pytest

from apps.v2a import VideoToAudioPipeline
from apps.v2a.checkpoints import FOLDER
from apps.v2a.conditioning.encoders import fingerprint
from apps.v2a.evaluation import at_rate, count_right
from foundation.checkpoints.model_folder import FROZEN_FILE
from foundation.checkpoints.registry import STARTER
from foundation.evaluation.report import Tally
from shared.toybox.sounds.captions import caption_sound
from shared.toybox.sounds.sound import FPS, toy_sound

SOUNDS = STARTER / FOLDER


def test_what_sounds_were_trained_on_has_not_changed_since():
    recorded = json.loads((SOUNDS / "transformer" / FROZEN_FILE).read_text())
    assert recorded == {"encoders": fingerprint(SOUNDS)}


@pytest.mark.slow
def test_impacts_are_heard_when_they_are_seen_and_of_what_is_seen():
    pipe = VideoToAudioPipeline.from_pretrained("starter", device="cpu")
    tally = Tally()
    for seed in range(1000, 1012):
        toy = toy_sound(seed, "heldout")
        seen = at_rate(FPS)(toy, tuple(pipe.encoders.rates))
        track = pipe(seen, caption_sound(toy.facts, material=False), seed=seed, loudness=None)
        assert np.abs(track.sound.waveform).max() <= 1.5
        count_right(tally, "sounds", track.sound.waveform[0], toy)
    shares = tally.shares()["sounds"]
    material = shares.pop("material")
    assert min(shares.values()) >= 0.9, shares
    assert material >= 0.75, material  # chance is a sixth
