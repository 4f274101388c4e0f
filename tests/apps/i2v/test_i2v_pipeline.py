"""The image-to-video pipeline: images and a prompt to a clip."""

import numpy as np
import pytest
import torch
from PIL import Image

from apps.i2v import ImageToVideoPipeline
from foundation import TextToVideoPipeline
from shared.errors import InputError, WeightsError

PROMPT = "a red circle moves right on a gray background"


def picture(seed=0, height=32, width=32):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def pipe(i2v_folder):
    return ImageToVideoPipeline.from_pretrained(str(i2v_folder), device="cpu")


def test_a_picture_becomes_a_clip_of_the_nearest_size(pipe, tmp_path):
    notes = []
    assert pipe(picture(), PROMPT).frames.shape == (5, 32, 32, 3)
    Image.fromarray(picture(height=60, width=100)).save(tmp_path / "wide.png")
    wide = pipe(tmp_path / "wide.png", PROMPT, note=notes.append)
    assert wide.frames.shape[2] > wide.frames.shape[1]
    assert "100x60 is resized to" in notes[0]
    assert pipe(picture(), PROMPT, size=(48, 32)).frames.shape == (5, 32, 48, 3)


def latents(pipe, *given, **settings):
    """What a clip is decoded from, which tells more than 8 bits of an untrained VAE."""
    walked = []
    pipe(*given, PROMPT, frames=9, on_step=lambda step, latents, denoised: walked.append(latents), **settings)
    return walked[-1]


def test_a_clip_begins_with_the_given_picture_as_the_vae_codes_it(pipe):
    made = latents(pipe, picture())
    assert torch.allclose(made[:, :, :1], pipe.encode_picture(picture()), atol=1e-4)


def test_every_picture_that_is_given_changes_the_clip(pipe):
    plain = latents(pipe, picture())
    assert torch.equal(latents(pipe, picture()), plain)
    assert not torch.equal(latents(pipe, picture(1)), plain)
    for more in ({"last_image": picture(2)}, {"keyframes": {4: picture(2)}}, {"loop": True}):
        assert not torch.equal(latents(pipe, picture(), **more), plain)


def test_a_loop_is_the_first_picture_at_both_ends(pipe):
    looped = latents(pipe, picture(), loop=True)
    assert torch.equal(latents(pipe, picture(), last_image=picture()), looped)
    assert torch.equal(latents(pipe, None, keyframes={0: picture(), 8: picture()}), looped)


def test_the_negative_prompt_works_under_the_same_picture(pipe):
    plain, negative = (latents(pipe, picture(), cfg=3.0, negative_prompt=words) for words in ("", "blue"))
    assert not torch.equal(plain, negative)


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (None, {}, "a picture is missing"),
        (None, {"last_image": picture()}, "needs a first image"),
        (None, {"loop": True}, "loop needs a first image"),
        (picture(), {"loop": True, "last_image": picture()}, "not both"),
        (picture(), {"keyframes": {0: picture()}}, "two pictures are given for frame 0"),
        (picture(), {"keyframes": {5: picture()}}, "keyframe 5 is beyond the clip"),
        (picture(), {"frames": 1}, "frames must be 5 or more"),
        (picture(height=8), {}, "16 pixels"),
        (picture().astype(float), {}, "must be \\(H, W, 3\\) uint8"),
    ],
)
def test_what_cannot_be_is_refused(pipe, image, options, words):
    with pytest.raises(InputError, match=words):
        pipe(image, PROMPT, **options)


def test_a_model_for_text_alone_and_one_for_pictures_refuse_each_others_work(model_folder, i2v_folder):
    with pytest.raises(WeightsError, match="takes no picture"):
        ImageToVideoPipeline.from_pretrained(str(model_folder), device="cpu")
    with pytest.raises(WeightsError, match="text alone is not enough"):
        TextToVideoPipeline.from_pretrained(str(i2v_folder), device="cpu")


@pytest.fixture(scope="module")
def replacing(model_folder):
    return ImageToVideoPipeline.from_pretrained(
        str(model_folder), device="cpu", condition_type="token_replace"
    )


def test_token_replace_keeps_the_first_latent_frame_as_the_picture_is(replacing):
    walked = []
    replacing(picture(), PROMPT, on_step=lambda step, latents, denoised: walked.append(latents))
    for latents in walked:
        assert torch.equal(latents[:, :, :1], replacing.encode_picture(picture()))


def test_released_weights_take_a_first_picture_alone(replacing):
    with pytest.raises(InputError, match="first picture alone"):
        replacing(picture(), PROMPT, loop=True)
