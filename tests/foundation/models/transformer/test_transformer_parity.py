"""Our transformer against diffusers' class, from one state dict."""

import json

import pytest
import torch
from diffusers import HunyuanVideoTransformer3DModel
from tiny_models import TINY_TRANSFORMER, relative_difference, tiny_transformer

from foundation.models.transformer import Conditioning, TextConditioning, VideoTransformer
from foundation.models.transformer.model import OWN_KEYS


def pair(**changes):
    theirs = tiny_transformer(HunyuanVideoTransformer3DModel, **changes)
    ours = VideoTransformer(**TINY_TRANSFORMER | changes).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def prompts(batch, lengths=None, length=7):
    generator = torch.Generator().manual_seed(1)
    embeds = torch.randn(batch, length, 24, generator=generator)
    lengths = torch.tensor(lengths or [length] * batch)
    mask = torch.arange(length) < lengths[:, None]
    return TextConditioning(embeds, mask, torch.randn(batch, 12, generator=generator))


@torch.no_grad()
def difference(ours, theirs, batch=1, lengths=None, guidance=None, clean_frames=0):
    generator = torch.Generator().manual_seed(2)
    latents = torch.randn(batch, theirs.config.in_channels, 3, 8, 12, generator=generator)
    split = ours.config.out_channels
    sigma = torch.linspace(0.9, 0.4, batch)
    text = prompts(batch, lengths)
    guidance = None if guidance is None else torch.full((batch,), guidance)
    expected = theirs(
        hidden_states=latents,
        timestep=sigma * 1000,
        encoder_hidden_states=text.embeds,
        encoder_attention_mask=text.mask.int(),
        pooled_projections=text.pooled,
        guidance=None if guidance is None else guidance * 1000,
        return_dict=False,
    )[0]
    channels = latents[:, split:] if latents.shape[1] > split else None
    conditioning = Conditioning(text.trimmed(), guidance, channels, clean_frames=clean_frames)
    velocity = ours(latents[:, :split], sigma, conditioning)
    assert velocity.shape == expected.shape
    return relative_difference(velocity, expected)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("guidance", [None, 6.0])
@pytest.mark.parametrize("padded", [False, True])
def test_text_to_video_agrees(batch, guidance, padded):
    ours, theirs = pair(guidance_embeds=guidance is not None)
    lengths = [4, 6][:batch] if padded else None
    assert difference(ours, theirs, batch, lengths, guidance) <= 1e-4


@pytest.mark.parametrize("batch", [1, 2])
def test_token_replace_agrees(batch):
    ours, theirs = pair(guidance_embeds=True, image_condition_type="token_replace")
    assert difference(ours, theirs, batch, [7, 3][:batch], 6.0, clean_frames=1) <= 1e-4


def test_latent_concat_agrees_at_the_real_channel_count():
    ours, theirs = pair(in_channels=33, out_channels=16, image_condition_type="latent_concat")
    assert difference(ours, theirs, 2, [5, 7]) <= 1e-4


def test_temporal_patches_agree():
    ours, theirs = pair(patch_size_t=3)
    assert difference(ours, theirs) <= 1e-4


def test_bfloat16_follows_diffusers_within_its_rounding():
    ours, theirs = pair(guidance_embeds=True)
    reference = {}
    latents, sigma, text = torch.randn(1, 4, 3, 8, 12), torch.tensor([0.99709]), prompts(1)
    for dtype in (torch.float32, torch.bfloat16):
        ours, theirs = ours.to(dtype), theirs.to(dtype)
        with torch.no_grad():
            expected = theirs(
                latents.to(dtype),
                sigma * 1000,
                text.embeds.to(dtype),
                text.mask,
                text.pooled.to(dtype),
                torch.tensor([6.0], dtype=dtype) * 1000,
                return_dict=False,
            )[0]
            velocity = ours(latents, sigma, Conditioning(text.trimmed(), torch.tensor([6.0])))
        assert velocity.dtype == dtype
        reference[dtype] = expected.float()
    rounding = (reference[torch.bfloat16] - reference[torch.float32]).abs().max()
    assert (velocity.float() - reference[torch.bfloat16]).abs().max() <= 2 * rounding


@pytest.mark.parametrize("condition", [None, "latent_concat", "token_replace"])
def test_parameter_names_and_shapes_are_diffusers(condition):
    ours, theirs = pair(image_condition_type=condition)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


def test_configuration_keys_are_diffusers():
    ours, theirs = pair()
    public = lambda model: {k: v for k, v in model.config.items() if not k.startswith("_")}  # noqa: E731
    assert public(ours) == public(theirs) | OWN_KEYS


def test_the_13b_configuration_has_exactly_the_official_parameters():
    with torch.device("meta"):
        model = VideoTransformer()
    assert sum(parameter.numel() for parameter in model.parameters()) == 12_821_012_544


def test_diffusers_opens_our_folder(tmp_path):
    ours, _ = pair()
    ours.save_pretrained(tmp_path)
    assert (
        json.loads((tmp_path / "config.json").read_text())["_class_name"] == "HunyuanVideoTransformer3DModel"
    )
    theirs = HunyuanVideoTransformer3DModel.from_pretrained(tmp_path)
    assert difference(ours, theirs) <= 1e-4


def test_we_open_diffusers_folder_even_in_shards(tmp_path):
    _, theirs = pair()
    theirs.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert difference(VideoTransformer.from_pretrained(tmp_path), theirs) <= 1e-4
