"""Our pipeline against diffusers' `HunyuanVideoPipeline`, opened from one folder that ours wrote."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, HunyuanVideoPipeline
from tiny_models import TINY_VAE, relative_difference, tiny_transformer, tiny_vae
from torch.nn.functional import pad

from foundation import CausalVideoVAE, TextToVideoPipeline, VideoTransformer
from foundation.checkpoints.text_encoders import load_clip, load_mllm, load_tokenizer

PROMPT, NEGATIVE = "a red circle moves right", "blue"
STEPS, SEED, FRAMES, WIDTH, HEIGHT = 4, 7, 5, 48, 32


@pytest.fixture(scope="module", params=[True, False], ids=["embedded-guidance", "no-embedded-guidance"])
def pipelines(request, starter_folder, tmp_path_factory):
    """Ours and diffusers', both from the folder that ours saved."""
    text_encoder, clip = (
        load_mllm(starter_folder / "text_encoder"),
        load_clip(starter_folder / "text_encoder_2"),
    )
    transformer = tiny_transformer(
        VideoTransformer,
        guidance_embeds=request.param,
        text_embed_dim=text_encoder.config.text_config.hidden_size,
        pooled_projection_dim=clip.config.hidden_size,
    )
    folder = tmp_path_factory.mktemp("pipeline")
    TextToVideoPipeline(
        transformer,
        tiny_vae(CausalVideoVAE),
        text_encoder,
        load_tokenizer(starter_folder / "tokenizer"),
        clip,
        load_tokenizer(starter_folder / "tokenizer_2"),
        FlowMatchEulerDiscreteScheduler(shift=7.0),
    ).save_pretrained(folder)
    ours = TextToVideoPipeline.from_pretrained(str(folder), device="cpu")
    theirs = HunyuanVideoPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    theirs.set_progress_bar_config(disable=True)
    return ours, theirs


def padded(pipe, prompt, prefix=""):
    """The prompt's embeddings as diffusers takes them: padded, with a mask."""
    text = pipe.encode_text(prompt).text
    mask = torch.ones(text.embeds.shape[:2])
    return {
        f"{prefix}prompt_embeds": pad(text.embeds, (0, 0, 0, 6)),
        f"{prefix}prompt_attention_mask": pad(mask, (0, 6)),
        f"{prefix}pooled_prompt_embeds": text.pooled,
    }


@pytest.mark.parametrize("cfg", [1.0, 3.0], ids=["one-pass", "negative-prompt"])
def test_four_steps_lead_to_the_same_latents(pipelines, cfg):
    ours, theirs = pipelines
    guidance = 6.0 if ours.transformer.config.guidance_embeds else None
    walked = []
    ours(
        PROMPT,
        negative_prompt=NEGATIVE,
        steps=STEPS,
        seed=SEED,
        size=(WIDTH, HEIGHT),
        frames=FRAMES,
        cfg=cfg,
        guidance=guidance,
        on_step=lambda step, latents, denoised: walked.append(latents),
    )
    expected = theirs(
        **padded(ours, PROMPT),
        **padded(ours, NEGATIVE, "negative_"),
        height=HEIGHT,
        width=WIDTH,
        num_frames=FRAMES,
        num_inference_steps=STEPS,
        true_cfg_scale=cfg,
        guidance_scale=guidance or 1.0,
        latents=ours.noise(SEED, FRAMES, WIDTH, HEIGHT),
        output_type="latent",
    ).frames
    assert len(walked) == STEPS
    assert relative_difference(walked[-1], expected) <= 1e-4


def test_both_decode_the_same_latents_to_the_same_frames(pipelines):
    ours, theirs = pipelines
    latents = torch.randn(1, TINY_VAE["latent_channels"], 2, 4, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        decoded = theirs.vae.decode(latents / theirs.vae.config.scaling_factor).sample
    levels = theirs.video_processor.postprocess_video(decoded, output_type="np")[0] * 255
    assert abs(ours.to_media(latents).astype(float) - levels).max() <= 0.51
