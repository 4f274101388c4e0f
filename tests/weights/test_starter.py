"""The shipped starter weights: whole, frozen where others stand on them, and small enough."""

import json

import pytest
import torch

from foundation.checkpoints.hashes import latents_sha256, text_sha256
from foundation.checkpoints.model_folder import COMPONENTS, FROZEN_FILE
from foundation.checkpoints.registry import STARTER
from foundation.checkpoints.text_encoders import load_text_encoder
from foundation.models.vae.model import CausalVideoVAE

MIB = 2**20


def test_every_component_is_there():
    assert {path.name for path in STARTER.iterdir()} >= set(COMPONENTS)


VIDEO = ["transformer", *(["i2v"] if (STARTER / "i2v").is_dir() else [])]


@pytest.mark.parametrize("part", VIDEO)
def test_what_video_weights_were_trained_on_has_not_changed_since(part):
    recorded = json.loads((STARTER / part / FROZEN_FILE).read_text())
    vae = CausalVideoVAE.from_pretrained(STARTER / "vae", torch_dtype=torch.float32)
    assert recorded == {"vae": latents_sha256(vae), "text": text_sha256(load_text_encoder(STARTER))}


def test_the_weights_stay_within_their_budget():
    assert sum(path.stat().st_size for path in STARTER.rglob("*.safetensors")) <= 40 * MIB


@pytest.mark.parametrize("part", ["vae", "transformer"])
def test_how_the_weights_were_made_stands_beside_them(part):
    runs = json.loads((STARTER / part / "training.json").read_text())
    assert all({"recipe", "training", "data"} <= set(run) for run in runs)
