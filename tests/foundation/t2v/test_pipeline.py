"""The text-to-video pipeline: a prompt becomes a clip, the same one each time, from folders that are whole."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import HunyuanVideoTransformer3DModel

from foundation import TextToVideoPipeline
from shared.errors import ConfigError, InputError, WeightsError

PROMPT = "a red circle moves right on a gray background"


@pytest.fixture(scope="module")
def pipe(model_folder):
    return TextToVideoPipeline.from_pretrained(str(model_folder), device="cpu")


def test_a_prompt_becomes_a_clip_of_the_folders_size_and_rate(pipe):
    clip = pipe(PROMPT)
    assert clip.frames.shape == (5, 32, 32, 3)
    assert clip.fps == 8.0
    assert set(clip.metadata["weights_sha256"]) >= {"vae/diffusion_pytorch_model.safetensors"}


def test_the_same_seed_gives_the_same_clip_and_another_seed_another(pipe):
    first, again, other = (pipe(PROMPT, seed=seed).frames for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_size_frames_and_steps_are_the_users(pipe):
    seen = []
    clip = pipe(PROMPT, size=(48, 32), frames=9, steps=3, on_step=lambda step, *_: seen.append(step.index))
    assert clip.frames.shape == (9, 32, 48, 3)
    assert seen == [0, 1, 2]


def test_one_frame_is_a_picture(pipe):
    assert pipe(PROMPT, frames=1).frames.shape == (1, 32, 32, 3)


def test_cfg_of_one_leaves_the_negative_prompt_unread(pipe):
    plain, negative = (pipe(PROMPT, cfg=1.0, negative_prompt=words).frames for words in ("", "blue"))
    assert np.array_equal(plain, negative)
    assert not np.array_equal(pipe(PROMPT, cfg=4.0, negative_prompt="blue").frames, plain)


def test_a_preview_of_every_step_can_be_decoded(pipe):
    previews = []
    pipe(PROMPT, on_step=lambda step, latents, denoised: previews.append(pipe.to_media(denoised)))
    assert [preview.shape for preview in previews] == [(5, 32, 32, 3)] * 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"size": (40, 32)}, "size 40x32 does not fit: both sides must be multiples of 16"),
        ({"frames": 8}, "8 frames do not fit"),
    ],
)
def test_what_does_not_fit_is_named(pipe, settings, words):
    with pytest.raises(InputError, match=words):
        pipe(**{"prompt": PROMPT, **settings})


def test_embedded_guidance_for_a_model_without_it_is_refused(pipe):
    with pytest.raises(ConfigError, match="no embedded guidance"):
        pipe(PROMPT, guidance=6.0)


def test_a_latent_that_stops_being_finite_ends_the_run_with_its_step(pipe, monkeypatch):
    monkeypatch.setattr(pipe, "noise", lambda *_: torch.full((1, 4, 2, 4, 4), float("nan")))
    with pytest.raises(ConfigError, match=r"step 1 of 2.*float32"):
        pipe(PROMPT)


def test_a_saved_pipeline_makes_the_same_clip(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    again = TextToVideoPipeline.from_pretrained(str(tmp_path), device="cpu")
    assert np.array_equal(again(PROMPT, seed=3).frames, pipe(PROMPT, seed=3).frames)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["_class_name"] == "HunyuanVideoPipeline"
    assert index["transformer"] == ["diffusers", "HunyuanVideoTransformer3DModel"]
    assert index["vae"] == ["foundation", "CausalVideoVAE"]
    HunyuanVideoTransformer3DModel.from_pretrained(tmp_path / "transformer")


@pytest.mark.parametrize("part", ["vae", "transformer", "text_encoder", "tokenizer_2"])
def test_a_missing_part_is_named(model_folder, tmp_path, part):
    folder = tmp_path / "broken"
    shutil.copytree(model_folder, folder)
    shutil.rmtree(folder / part)
    with pytest.raises(WeightsError, match=part):
        TextToVideoPipeline.from_pretrained(str(folder), device="cpu")


def test_a_truncated_file_is_named(model_folder, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(model_folder, folder)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="transformer"):
        TextToVideoPipeline.from_pretrained(str(folder), device="cpu")


@pytest.mark.parametrize("name", ["nowhere", "/nowhere/at/all"])
def test_an_unknown_model_is_refused_without_a_download(name):
    with pytest.raises(WeightsError, match="is not here"):
        TextToVideoPipeline.from_pretrained(name)
