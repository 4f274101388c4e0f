"""What the video transformer promises beyond parity with diffusers' class."""

import pytest
import torch
from diffusers import FirstBlockCacheConfig
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from peft import LoraConfig
from tiny_models import TINY_TRANSFORMER, tiny_transformer

from foundation.models.transformer import (
    BlockContext,
    Conditioning,
    Context,
    TextConditioning,
    VideoTransformer,
    widen_patch_embedding,
)
from foundation.models.transformer.blocks import CHUNK_TOKENS
from shared.errors import ConfigError, InputError


def build(**changes):
    return tiny_transformer(VideoTransformer, **changes)


def numbers(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def prompt(length=5, batch=1, seed=2):
    return TextConditioning(numbers(batch, length, 24, seed=seed), None, numbers(batch, 12, seed=seed + 50))


LATENTS = numbers(1, 4, 3, 8, 8)
SIGMA = torch.tensor([0.7])


def assert_close(actual, expected):
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_a_ragged_batch_equals_its_prompts_one_by_one():
    model = build()
    prompts = [prompt(length, seed=length) for length in (3, 7, 5)]
    latents, sigma = numbers(3, 4, 3, 8, 8), torch.tensor([0.9, 0.5, 0.1])
    batch = TextConditioning.batch(prompts)
    assert batch.mask is not None
    together = model(latents, sigma, Conditioning(batch))
    for i, alone in enumerate(prompts):
        assert_close(together[i : i + 1], model(latents[i : i + 1], sigma[i : i + 1], Conditioning(alone)))


@torch.no_grad()
def test_what_stands_in_the_padding_does_not_matter():
    model = build()
    batch = TextConditioning.batch([prompt(2), prompt(6)])
    garbage = torch.where(batch.mask[..., None], batch.embeds, 1e3)
    latents, sigma = LATENTS.expand(2, -1, -1, -1, -1), SIGMA.expand(2)
    expected = model(latents, sigma, Conditioning(batch))
    actual = model(latents, sigma, Conditioning(TextConditioning(garbage, batch.mask, batch.pooled)))
    assert_close(actual, expected)


@torch.no_grad()
def test_a_prompt_without_any_token_gives_finite_numbers():
    text = prompt(3)
    text = TextConditioning(text.embeds, torch.zeros(1, 3, dtype=torch.bool), text.pooled)
    assert build()(LATENTS, SIGMA, Conditioning(text)).isfinite().all()


def test_trimming_cuts_to_the_longest_prompt_and_masks_only_ragged_batches():
    embeds, pooled = numbers(2, 9, 24), numbers(2, 12)
    ragged = torch.arange(9) < torch.tensor([[4], [6]])
    trimmed = TextConditioning(embeds, ragged, pooled).trimmed()
    assert trimmed.embeds.shape[1] == 6
    assert trimmed.mask.tolist() == ragged[:, :6].tolist()
    equal = (torch.arange(9) < 4).expand(2, 9).long()
    trimmed = TextConditioning(embeds, equal, pooled).trimmed()
    assert trimmed.embeds.shape[1] == 4
    assert trimmed.mask is None


def test_batching_prompts_of_one_length_makes_no_mask():
    batch = TextConditioning.batch([prompt(4), prompt(4)])
    assert batch.mask is None
    assert batch.embeds.shape == (2, 4, 24)


def test_moving_a_conditioning_changes_the_dtype_of_floating_tensors_alone():
    text = TextConditioning(numbers(1, 3, 24), torch.ones(1, 3, dtype=torch.bool), numbers(1, 12))
    contexts = {"voice": (Context(numbers(1, 3, 2, 8), torch.ones(1, 6, 1)),)}
    moved = Conditioning(text, torch.tensor([6.0]), clean_frames=1, contexts=contexts).to(
        "cpu", torch.bfloat16
    )
    assert moved.text.mask.dtype == torch.bool
    floating = moved.text.embeds, moved.text.pooled, moved.guidance, moved.contexts["voice"][0].tokens
    assert {tensor.dtype for tensor in floating} == {torch.bfloat16}
    assert moved.clean_frames == 1


def test_the_side_record_moves_as_offload_hooks_ask():
    side = BlockContext(torch.ones(1, 1, 1, 4, dtype=torch.bool), (numbers(1, 1, 8), 2)).to(
        "cpu", torch.bfloat16
    )
    assert side.key_mask.dtype == torch.bool
    assert side.clean[0].dtype == torch.bfloat16
    assert side.clean[1] == 2


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch", [1, 3])
def test_widened_model_starts_as_the_text_to_video_model(dtype, batch):
    model = build(in_channels=16, out_channels=16).to(dtype)
    latents, sigma = numbers(batch, 16, 3, 8, 12), torch.full((batch,), 0.6)
    expected = model(latents, sigma, Conditioning(prompt(batch=batch)))
    widen_patch_embedding(model, 33)
    assert model.config.in_channels == 33
    for channels in (numbers(batch, 17, 3, 8, 12) * 100, torch.zeros(batch, 17, 3, 8, 12)):
        conditioning = Conditioning(prompt(batch=batch), channels=channels)
        assert torch.equal(model(latents, sigma, conditioning), expected)


def test_widening_to_fewer_channels_is_refused():
    with pytest.raises(ConfigError, match="in_channels is 2"):
        widen_patch_embedding(build(), 2)


@torch.no_grad()
def test_tokens_and_modulation_reach_the_output_and_zeros_do_not():
    model = build()
    plain = model(LATENTS, SIGMA, Conditioning(prompt()))
    zeros = Conditioning(prompt(), tokens=torch.zeros(1, 48, 32), modulation=torch.zeros(1, 32))
    assert torch.equal(model(LATENTS, SIGMA, zeros), plain)
    for slot in ({"tokens": numbers(1, 48, 32)}, {"modulation": numbers(1, 32)}):
        assert not torch.allclose(model(LATENTS, SIGMA, Conditioning(prompt(), **slot)), plain)


@torch.no_grad()
def test_clean_frames_change_nothing_when_there_is_no_noise_anyway():
    model = build()
    sigma = torch.zeros(1)
    expected = model(LATENTS, sigma, Conditioning(prompt()))
    for clean_frames in (1, 3):
        assert_close(model(LATENTS, sigma, Conditioning(prompt(), clean_frames=clean_frames)), expected)


def gradients(model):
    model.zero_grad()
    model(LATENTS, SIGMA, Conditioning(prompt(), clean_frames=1)).square().mean().backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def test_gradient_checkpointing_gives_the_same_gradients():
    model = build().train()
    expected = gradients(model)
    model.enable_gradient_checkpointing()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], msg=name)


def test_autocast_training_on_a_cpu_reaches_every_parameter_with_finite_gradients():
    model = build().train()
    with torch.autocast("cpu", torch.bfloat16):
        velocity = model(LATENTS, SIGMA, Conditioning(prompt()))
    velocity.float().square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@torch.no_grad()
def test_a_fresh_model_starts_from_zero_velocity_and_can_learn():
    model = VideoTransformer(**TINY_TRANSFORMER)
    model.initialise()
    assert (model(LATENTS, SIGMA, Conditioning(prompt())) == 0).all()
    with torch.enable_grad():
        (model(LATENTS, SIGMA, Conditioning(prompt())) - 1).square().mean().backward()
    assert model.proj_out.weight.grad.abs().max() > 0


@torch.no_grad()
def test_the_rotary_table_is_made_once_per_shape_and_serves_training_after_inference():
    model = build()
    with torch.inference_mode():
        first = model.rope(LATENTS)
        assert model.rope(LATENTS)[0] is first[0]
    assert not first[0].is_inference()
    assert model.rope(numbers(1, 4, 3, 8, 12))[0].shape == (72, 8)


def test_saving_and_loading_keeps_the_output(tmp_path):
    model = build()
    model.save_pretrained(tmp_path)
    loaded = VideoTransformer.from_pretrained(tmp_path)
    with torch.no_grad():
        expected = model(LATENTS, SIGMA, Conditioning(prompt()))
        assert torch.equal(loaded(LATENTS, SIGMA, Conditioning(prompt())), expected)


@torch.no_grad()
def test_first_block_cache_skips_the_other_blocks_when_a_step_is_like_the_last():
    model = build()
    conditioning = Conditioning(prompt())
    expected = model(LATENTS, SIGMA, conditioning)
    calls = []
    model.single_transformer_blocks[0].attn.register_forward_hook(lambda *_: calls.append(1))
    model.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    for _ in range(3):
        with model.cache_context("cond"):
            assert_close(model(LATENTS, SIGMA, conditioning), expected)
    assert len(calls) == 1


@torch.no_grad()
def test_a_fresh_adapter_changes_nothing_and_a_trained_one_does():
    model = build()
    expected = model(LATENTS, SIGMA, Conditioning(prompt()))
    targets = ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "proj_mlp", "proj_out", "x_embedder.proj"]
    model.add_adapter(LoraConfig(r=2, target_modules=targets))
    assert_close(model(LATENTS, SIGMA, Conditioning(prompt())), expected)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.fill_(0.1)
    changed = model(LATENTS, SIGMA, Conditioning(prompt()))
    assert (changed - expected).abs().max() > 0.01 * expected.abs().max()
    model.set_adapters(["default"], [0.0])
    assert_close(model(LATENTS, SIGMA, Conditioning(prompt())), expected)


@torch.no_grad()
def test_fused_projections_compute_the_same():
    model = build()
    expected = model(LATENTS, SIGMA, Conditioning(prompt()))
    model.fuse_qkv_projections()
    assert hasattr(model.transformer_blocks[0].attn, "to_added_qkv")
    assert_close(model(LATENTS, SIGMA, Conditioning(prompt())), expected)
    model.unfuse_qkv_projections()
    assert torch.equal(model(LATENTS, SIGMA, Conditioning(prompt())), expected)


@torch.no_grad()
def test_the_attention_backend_can_be_chosen():
    model = build()
    expected = model(LATENTS, SIGMA, Conditioning(prompt()))
    before, _ = _AttentionBackendRegistry.get_active_backend()
    try:
        model.set_attention_backend("_native_math")
        assert (
            model.transformer_blocks[0].attn.processor._attention_backend == AttentionBackendName._NATIVE_MATH
        )
        assert_close(model(LATENTS, SIGMA, Conditioning(prompt())), expected)
    finally:
        _AttentionBackendRegistry.set_active_backend(before)


@torch.no_grad()
def test_layerwise_casting_keeps_the_model_usable():
    model = build()
    expected = model(LATENTS, SIGMA, Conditioning(prompt()))
    model.enable_layerwise_casting(torch.float8_e4m3fn, torch.float32)
    assert model.transformer_blocks[0].ff.net[2].weight.dtype == torch.float8_e4m3fn
    velocity = model(LATENTS, SIGMA, Conditioning(prompt()))
    assert (velocity - expected).abs().max() < 0.3 * expected.abs().max()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"latents": numbers(1, 5, 3, 8, 8)}, InputError, "5 channels"),
        ({"channels": numbers(1, 1, 3, 8, 8)}, InputError, "5 channels"),
        ({"latents": numbers(1, 4, 3, 7, 8)}, InputError, "multiples of the patch"),
        ({"latents": numbers(2, 4, 3, 8, 8)}, InputError, "batch sizes"),
        ({"sigma": torch.tensor(0.5)}, InputError, "batch sizes"),
        ({"text": TextConditioning(numbers(1, 3, 23), None, numbers(1, 12))}, InputError, "23"),
        ({"clean_frames": 4}, InputError, "clean_frames is 4"),
        ({"guidance": torch.tensor([6.0])}, ConfigError, "no embedded guidance"),
        ({"contexts": {"voice": (Context(numbers(1, 3, 2, 8)),)}}, ConfigError, "voice"),
    ],
)
def test_what_does_not_fit_the_model_is_named(changes, error, words):
    latents, sigma = changes.pop("latents", LATENTS), changes.pop("sigma", SIGMA)
    with pytest.raises(error, match=words):
        build()(latents, sigma, Conditioning(**{"text": prompt()} | changes))


def test_a_model_with_embedded_guidance_asks_for_it():
    with pytest.raises(ConfigError, match="needs embedded guidance"):
        build(guidance_embeds=True)(LATENTS, SIGMA, Conditioning(prompt()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"qk_norm": "layer_norm"},
        {"image_condition_type": "magic"},
        {"rope_axes_dim": (4, 6, 8)},
        {"rope_axes_dim": (5, 5, 6)},
        {"in_channels": 3},
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        VideoTransformer(**TINY_TRANSFORMER | wrong)


@torch.no_grad()
def test_feeding_forward_chunk_by_chunk_computes_the_same(monkeypatch):
    model = build()
    whole = model(LATENTS, SIGMA, Conditioning(prompt()))
    monkeypatch.setitem(CHUNK_TOKENS, "cpu", 5)
    assert_close(model(LATENTS, SIGMA, Conditioning(prompt())), whole)


@torch.no_grad()
def test_the_last_block_spares_what_nobody_reads():
    model, conditioning = build(), Conditioning(prompt())
    text = model.context_embedder(conditioning.text, SIGMA)
    seen = []
    last, earlier = model.single_transformer_blocks[-1], model.single_transformer_blocks[0]
    for block in (earlier, last):
        block.proj_mlp.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[1]))
    model(LATENTS, SIGMA, conditioning)
    assert seen[0] - seen[1] == text.shape[1]
