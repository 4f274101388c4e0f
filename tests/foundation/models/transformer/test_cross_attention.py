"""Cross-attention that an application injects into the video transformer (avatar: audio and expression)."""

import pytest
import torch
from test_transformer import LATENTS, SIGMA, assert_close, build, numbers, prompt

from foundation.models.transformer import (
    Conditioning,
    Context,
    VideoTransformer,
    inject_cross_attention,
)
from foundation.models.transformer.cross_attention import CrossAttention
from shared.errors import ConfigError, InputError

FRAMES, TOKENS = 3, 48  # LATENTS are (1, 4, 3, 8, 8); patches are 2 x 2
AUDIO = numbers(1, FRAMES, 5, 8, seed=9)


def injected(**changes):
    model = build()
    inject_cross_attention(model, "audio", (0, 2), 8)
    return model


def awake(model):
    """Every injected layer with an output that is not zero."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, CrossAttention):
            torch.nn.init.normal_(module.to_out.weight, std=0.3)
    return model


def run(model, *contexts, **slots):
    return model(LATENTS, SIGMA, Conditioning(prompt(), contexts={"audio": contexts}, **slots))


@torch.no_grad()
def test_the_output_stays_the_same_until_the_layers_are_trained():
    expected = build()(LATENTS, SIGMA, Conditioning(prompt()))
    model = injected()
    assert torch.equal(run(model, Context(AUDIO)), expected)
    assert torch.equal(model(LATENTS, SIGMA, Conditioning(prompt())), expected)


@torch.no_grad()
def test_outside_of_the_mask_a_layer_changes_no_video_token():
    layer = CrossAttention(2, 16, 8)
    torch.nn.init.normal_(layer.to_out.weight)
    mask = torch.zeros(1, TOKENS, 1)
    mask[:, 10:20] = 1
    update = layer(numbers(1, TOKENS, 32), Context(AUDIO, mask))
    assert update[:, 10:20].abs().min() > 0
    assert update[:, :10].abs().max() == 0 and update[:, 20:].abs().max() == 0


@torch.no_grad()
def test_each_latent_frame_reads_its_own_tokens_alone():
    layer = CrossAttention(2, 16, 8)
    torch.nn.init.normal_(layer.to_out.weight)
    hidden_states, other = numbers(1, TOKENS, 32), AUDIO.clone()
    other[:, 1] += 1
    difference = layer(hidden_states, Context(AUDIO)) - layer(hidden_states, Context(other))
    changed = difference.view(FRAMES, -1).abs().amax(1)
    assert changed[0] == 0 and changed[2] == 0 and changed[1] > 0


@torch.no_grad()
def test_contexts_of_one_name_are_summed_and_scaled_by_their_strength():
    layer = CrossAttention(2, 16, 8)
    torch.nn.init.normal_(layer.to_out.weight)
    model, whole = awake(injected()), Context(AUDIO)
    hidden_states = numbers(1, TOKENS, 32)
    assert_close(layer(hidden_states, Context(AUDIO, strength=0.5)), layer(hidden_states, whole) / 2)
    halves = Context(AUDIO, strength=0.5), Context(AUDIO, strength=0.5)
    assert_close(run(model, *halves), run(model, whole))
    assert torch.equal(run(model, Context(AUDIO, strength=0.0)), run(model))


@torch.no_grad()
def test_a_saved_model_comes_back_with_its_layers(tmp_path):
    model = awake(injected())
    model.save_pretrained(tmp_path)
    again = VideoTransformer.from_pretrained(tmp_path).eval()
    assert_close(run(again, Context(AUDIO)), run(model, Context(AUDIO)))


@torch.no_grad()
def test_clean_frames_and_the_last_block_are_no_exception():
    model = build()
    inject_cross_attention(model, "audio", range(4), 8)
    awake(model)
    with_audio = run(model, Context(AUDIO), clean_frames=1)
    assert with_audio.isfinite().all()
    assert (with_audio - run(model, clean_frames=1)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("name", "blocks", "width", "message"),
    [
        ("audio", (4,), 8, "0 to 3"),
        ("audio", (-1,), 8, "0 to 3"),
        ("audio", (1, 1), 8, "distinct"),
        ("audio", (), 8, "distinct"),
        ("audio", (0,), 0, "context_dim"),
        ("a b", (0,), 8, "identifier"),
    ],
)
def test_layers_that_do_not_fit_the_model_are_refused(name, blocks, width, message):
    with pytest.raises(ConfigError, match=message):
        inject_cross_attention(build(), name, blocks, width)


def test_a_name_is_taken_once():
    with pytest.raises(ConfigError, match="audio"):
        inject_cross_attention(injected(), "audio", (1,), 8)


@pytest.mark.parametrize(
    "context",
    [
        Context(numbers(1, FRAMES, 5, 9)),
        Context(numbers(1, FRAMES + 1, 5, 8)),
        Context(numbers(2, FRAMES, 5, 8)),
        Context(AUDIO, torch.ones(1, TOKENS - 1, 1)),
    ],
)
def test_contexts_of_another_shape_are_refused(context):
    with pytest.raises(InputError, match="audio"):
        run(injected(), context)
