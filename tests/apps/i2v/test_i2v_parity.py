"""Our pipeline against diffusers' `HunyuanVideoImageToVideoPipeline`, opened from one folder that ours wrote."""

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler, HunyuanVideoImageToVideoPipeline
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video_image2video import DEFAULT_PROMPT_TEMPLATE
from PIL import Image
from tiny_models import TINY_VAE, relative_difference, tiny_transformer, tiny_vae
from transformers import CLIPImageProcessor

from apps.i2v import ImageToVideoPipeline
from apps.i2v.conditioning import semantics
from foundation import CausalVideoVAE, VideoTransformer
from foundation.checkpoints.text_encoders import load_clip, load_mllm, load_tokenizer
from foundation.models.text.starter import ANSWER, IMAGE, PICTURE_TEMPLATE
from foundation.models.text.templates import PromptTemplate

PROMPT, NEGATIVE = "a red circle moves right", "blue"
STEPS, SEED, FRAMES, WIDTH, HEIGHT = 3, 7, 9, 48, 32
TEMPLATE = PromptTemplate(PICTURE_TEMPLATE.text + ANSWER)
CHANNELS = TINY_VAE["latent_channels"]


@pytest.fixture(scope="module", params=["latent_concat", "token_replace"])
def pipelines(request, starter_folder, tmp_path_factory):
    """Ours and diffusers', both from the folder that ours saved."""
    mllm, clip = load_mllm(starter_folder / "text_encoder"), load_clip(starter_folder / "text_encoder_2")
    transformer = tiny_transformer(
        VideoTransformer,
        in_channels=2 * CHANNELS + 1 if request.param == "latent_concat" else CHANNELS,
        guidance_embeds=True,
        image_condition_type=request.param,
        text_embed_dim=mllm.config.text_config.hidden_size,
        pooled_projection_dim=clip.config.hidden_size,
    )
    folder = tmp_path_factory.mktemp("pipeline")
    ImageToVideoPipeline(
        transformer,
        tiny_vae(CausalVideoVAE),
        mllm,
        load_tokenizer(starter_folder / "tokenizer"),
        clip,
        load_tokenizer(starter_folder / "tokenizer_2"),
        FlowMatchEulerDiscreteScheduler(shift=7.0),
        CLIPImageProcessor.from_pretrained(starter_folder / "image_processor"),
    ).save_pretrained(folder)
    ours = ImageToVideoPipeline.from_pretrained(str(folder), device="cpu")
    theirs = HunyuanVideoImageToVideoPipeline.from_pretrained(folder, torch_dtype=ours.vae.dtype)
    theirs.set_progress_bar_config(disable=True)
    theirs.text_encoder.config.pad_token_id = theirs.tokenizer.pad_token_id
    return ours, theirs


def as_theirs(tokenizer, tokens):
    """Our template in the words of diffusers."""
    prefix = tokenizer(TEMPLATE.prefix)["input_ids"]
    at = prefix.index(tokenizer.convert_tokens_to_ids(IMAGE))
    return {
        "template": TEMPLATE.text,
        "crop_start": len(prefix),
        "image_emb_start": at,
        "image_emb_end": at + tokens,
        "image_emb_len": tokens,
    }


@pytest.mark.parametrize("cfg", [1.0, 3.0], ids=["one-pass", "negative-prompt"])
def test_the_same_picture_and_prompt_lead_to_the_same_latents(pipelines, cfg, monkeypatch):
    ours, theirs = pipelines
    concat = ours.transformer.config.image_condition_type == "latent_concat"
    if cfg != 1 and not concat:
        pytest.skip("diffusers keeps other picture tokens for the negative prompt than for the prompt")
    monkeypatch.setattr(semantics, "picture_template", lambda tokenizer: TEMPLATE)
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    walked = []
    clip = ours(
        picture,
        PROMPT,
        negative_prompt=NEGATIVE,
        stability=True,
        shift=7.0,
        steps=STEPS,
        seed=SEED,
        size=(WIDTH, HEIGHT),
        frames=FRAMES,
        cfg=cfg,
        guidance=6.0,
        on_step=lambda step, latents, denoised: walked.append(latents),
    )
    more = ours.variant.dropped_frames
    expected = theirs(
        image=Image.fromarray(picture),
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        prompt_template=as_theirs(ours.tokenizer, ours.text_encoder.config.image_seq_length),
        height=HEIGHT,
        width=WIDTH,
        num_frames=FRAMES + more,
        num_inference_steps=STEPS,
        true_cfg_scale=cfg,
        guidance_scale=6.0,
        latents=ours.noise(SEED, FRAMES + more, WIDTH, HEIGHT),
        output_type="latent",
    ).frames
    assert clip.frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert relative_difference(walked[-1][:, :, more // 4 :], expected) <= 1e-4


def test_the_released_template_is_theirs():
    assert semantics.HUNYUAN_PICTURE.text == DEFAULT_PROMPT_TEMPLATE["template"]
    assert semantics.HUNYUAN_PICTURE.crop_start == DEFAULT_PROMPT_TEMPLATE["crop_start"]


def test_the_released_weights_shift_depends_on_stability(pipelines):
    ours, _ = pipelines
    assert [ours.defaults_with(stability).shift for stability in (False, True)] == [17.0, 7.0]
