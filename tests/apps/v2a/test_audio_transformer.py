"""The sound transformer: what its conditions, positions and start values promise."""

import pytest
import torch
from tiny_sounds import TINY, conditions, latents, tiny_transformer

from apps.v2a.model.conditioning import AudioConditioning
from apps.v2a.model.transformer import AudioTransformer
from foundation.checkpoints.lora.adapters import add_lora
from foundation.flow.guidance import classifier_free, conditional
from foundation.flow.sampler import Step
from shared.errors import InputError

SIGMA = torch.tensor([0.6])


def same(first, second):
    return torch.allclose(first, second, atol=1e-5)


@torch.no_grad()
def test_a_model_to_be_trained_starts_with_no_velocity_and_idle_blocks():
    model = AudioTransformer(**TINY)
    model.initialise()
    assert not model(latents(), SIGMA, conditions()).any()
    audio, context = torch.randn(1, 12, 16), torch.randn(1, 15, 16)
    rope, signal = model._positions(latents()), torch.randn(1, 1, 16)
    from foundation.models.transformer.blocks import BlockContext

    for block in [*model.transformer_blocks, *model.single_transformer_blocks]:
        assert all(map(torch.equal, block(audio, context, signal, rope, BlockContext()), (audio, context)))


@torch.no_grad()
def test_audio_and_video_of_one_moment_stand_at_one_position_and_text_at_none():
    model = tiny_transformer()
    cos, sin = model._positions(latents(tokens=12))
    assert cos.shape == (24, 4)
    assert torch.equal(cos[:12], cos[12:])
    assert torch.equal(sin[:12], sin[12:])
    angle = torch.arange(12.0)[:, None] / 10_000 ** (torch.arange(4) / 4)
    assert same(cos[:12], angle.cos())
    told = conditions(words=4)
    turned = AudioConditioning(told.visual, told.text.flip(1))
    assert same(model(latents(), SIGMA, told), model(latents(), SIGMA, turned))


@torch.no_grad()
def test_moving_sound_and_picture_together_in_time_moves_the_velocity_with_them():
    """Only distances in time count: rotary positions know no beginning."""
    model, told, noisy = tiny_transformer(), conditions(), latents()
    shifted = {name: rows.roll(3, dims=1) for name, rows in told.visual.items()}
    apart = model(noisy.roll(3, dims=2), SIGMA, told)
    together = model(noisy.roll(3, dims=2), SIGMA, AudioConditioning(shifted, told.text))
    there = model(noisy, SIGMA, told).roll(3, dims=2)
    assert (together - there).abs().mean() < (apart - there).abs().mean()


@torch.no_grad()
def test_dropped_conditions_are_the_null_conditions():
    model, told, noisy = tiny_transformer(), conditions(rows=2), latents(rows=2)
    sigma = SIGMA.expand(2)
    no, first = torch.tensor([False, False]), torch.tensor([[True, False, False]] * 2)
    null_video = model(noisy, sigma, AudioConditioning({}, told.text))
    assert same(model(noisy, sigma, AudioConditioning(told.visual, told.text, has_video=no)), null_video)
    null_text = model(noisy, sigma, AudioConditioning(told.visual))
    dropped = AudioConditioning(told.visual, told.text, first, has_text=no)
    assert same(model(noisy, sigma, dropped), null_text)
    assert not same(null_video, null_text)
    mixed = model(
        noisy, sigma, AudioConditioning(told.visual, told.text, has_video=torch.tensor([True, False]))
    )
    assert same(mixed[1], null_video[1])
    assert not same(mixed[0], null_video[0])


@torch.no_grad()
def test_padded_text_changes_nothing():
    model, told, noisy = tiny_transformer(), conditions(words=3), latents()
    padded = torch.cat([told.text, torch.randn(1, 2, 12)], dim=1)
    mask = torch.tensor([[True, True, True, False, False]])
    assert same(model(noisy, SIGMA, told), model(noisy, SIGMA, AudioConditioning(told.visual, padded, mask)))


@torch.no_grad()
def test_guidance_by_a_negative_prompt_is_the_foundations():
    model, told, noisy = tiny_transformer(), conditions(), latents()
    step, unwanted = Step(0, 4, 0.6), AudioConditioning({}, conditions(words=5).text)
    guided = classifier_free(model, told, unwanted, 3.0)(noisy, step)
    one, other = (conditional(model, each)(noisy, step) for each in (told, unwanted))
    assert same(guided, other + 3 * (one - other))


@torch.no_grad()
def test_a_saved_model_is_the_same_model(tmp_path):
    model = tiny_transformer()
    model.save_pretrained(tmp_path)
    again = AudioTransformer.from_pretrained(tmp_path)
    assert torch.equal(again(latents(), SIGMA, conditions()), model(latents(), SIGMA, conditions()))


def test_an_adapter_reaches_all_three_streams_and_the_single_blocks():
    from apps.v2a.training.config import LORA_TARGETS

    model = tiny_transformer()
    with torch.no_grad():
        before = model(latents(), SIGMA, conditions())
    layers = add_lora(model, rank=2, targets=LORA_TARGETS)
    for part in ("audio.to_q", "video.to_v", "text.to_out", "audio.ff.net.2"):
        assert f"transformer_blocks.0.{part}" in layers
    assert "single_transformer_blocks.1.proj_mlp" in layers
    assert same(model(latents(), SIGMA, conditions()), before)


def test_gradient_checkpointing_changes_no_gradient():
    model, told = tiny_transformer(), conditions()
    grads = []
    for checkpointing in (False, True):
        model.zero_grad()
        if checkpointing:
            model.enable_gradient_checkpointing()
            model.train()
        model(latents(), SIGMA, told).square().mean().backward()
        grads.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    assert all(torch.allclose(grads[0][name], grads[1][name], atol=1e-6) for name in grads[0])


@pytest.mark.parametrize(
    ("noisy", "told", "words"),
    [
        (torch.zeros(1, 3, 12, 4), conditions(), "the model takes"),
        (latents(tokens=11), conditions(), "visual features"),
        (latents(), AudioConditioning({"clip": torch.zeros(1, 12, 10)}), "visual features"),
        (latents(), AudioConditioning({}, torch.zeros(1, 3, 5)), "text is"),
    ],
)
def test_shapes_that_do_not_fit_are_named(noisy, told, words):
    with pytest.raises(InputError, match=words):
        tiny_transformer()(noisy, SIGMA, told)
