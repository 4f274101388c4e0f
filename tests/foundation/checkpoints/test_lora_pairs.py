"""Low-rank updates between the layouts: what they add to the weights stays the same."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from official import official_state, told_transformer

from foundation.checkpoints.layout import join, to_diffusers, to_official
from foundation.checkpoints.lora.pairs import Pair, pairs_to_diffusers, pairs_to_official
from shared.errors import WeightsError

MODEL = told_transformer(num_layers=1, num_single_layers=1, num_refiner_layers=1)
OURS = MODEL.state_dict()
OFFICIAL = official_state(MODEL)
WIDTH = 32


def random_pairs(state, rank, alpha, seed=0):
    """An update of every linear layer; rank and alpha are numbers, or functions of the layer."""
    generator = torch.Generator().manual_seed(seed)
    pairs = {}
    for key, weight in state.items():
        if not key.endswith(".weight") or weight.ndim != 2:
            continue
        layer = key.removesuffix(".weight")
        own = rank(layer) if callable(rank) else rank
        down = torch.randn(own, weight.shape[1], generator=generator)
        up = torch.randn(weight.shape[0], own, generator=generator)
        pairs[layer] = Pair(down, up, float(alpha(layer) if callable(alpha) else alpha))
    return pairs


def updates(pairs):
    return {layer: pair.scale * pair.up.double() @ pair.down.double() for layer, pair in pairs.items()}


def assert_same_update(actual, expected):
    """Layers without an update may be there or not."""
    for layer in actual.keys() | expected.keys():
        one, other = actual.get(layer), expected.get(layer)
        one, other = (torch.zeros_like(other) if one is None else one), other
        other = torch.zeros_like(one) if other is None else other
        assert (one - other).abs().max() <= 1e-6 * other.abs().max(), layer


def moved(parts):
    return {key.removesuffix(".weight"): join(rows) for key, rows in parts.items()}


def as_weights(pairs, state):
    """The updates as full weights, zeros where there is none."""
    own = updates(pairs)
    return {
        key: own.get(key.removesuffix(".weight"), torch.zeros_like(weight, dtype=torch.float64))
        for key, weight in state.items()
        if key.endswith(".weight")
    }


@given(rank=st.integers(1, 4), alpha=st.sampled_from([1, 8, 2.5]))
def test_an_official_adapter_updates_our_layers_alike(rank, alpha):
    pairs = random_pairs(OFFICIAL, rank, alpha)
    ours = pairs_to_diffusers(pairs)
    assert_same_update(updates(ours), moved(to_diffusers(as_weights(pairs, OFFICIAL))))
    assert {pair.alpha for pair in ours.values()} == {alpha}
    back = pairs_to_official(ours)
    assert back.keys() == pairs.keys()
    for layer, pair in pairs.items():
        assert torch.equal(back[layer].down, pair.down)
        assert torch.equal(back[layer].up, pair.up)
        assert back[layer].alpha == pair.alpha


@given(
    rank=st.integers(1, 3),
    alpha=st.sampled_from([1, 6]),
    dropped=st.sampled_from(["to_k", "proj_mlp", "add_v_proj"]),
)
def test_our_adapter_updates_official_layers_alike_and_comes_back_as_it_was(rank, alpha, dropped):
    """Parts of a fused layer have factors of their own, and one part may have none."""
    pairs = {layer: pair for layer, pair in random_pairs(OURS, rank, alpha).items() if dropped not in layer}
    official = pairs_to_official(pairs)
    assert_same_update(updates(official), moved(to_official(as_weights(pairs, OURS))))
    back = pairs_to_diffusers(official)
    assert back.keys() == pairs.keys()
    for layer, pair in pairs.items():
        assert (back[layer].rank, back[layer].alpha) == (rank, pytest.approx(alpha))
        assert torch.equal(back[layer].down, pair.down)
        assert torch.equal(back[layer].up, pair.up)


@given(seed=st.integers(0, 99))
def test_parts_of_any_ranks_and_scales_join(seed):
    chance = torch.Generator().manual_seed(seed)

    def draw(choices):
        return lambda layer: choices[int(torch.randint(len(choices), (), generator=chance))]

    pairs = random_pairs(OURS, draw([1, 2, 5]), draw([0, 1, 3, 8]), seed)
    official = pairs_to_official(pairs)
    assert_same_update(updates(official), moved(to_official(as_weights(pairs, OURS))))
    assert_same_update(updates(pairs_to_diffusers(official)), updates(pairs))


def test_a_fused_layers_rank_is_the_sum_of_its_parts():
    official = pairs_to_official(random_pairs(OURS, 2, 6))
    fused = official["single_blocks.0.linear1"]
    assert (fused.rank, fused.alpha, fused.scale) == (8, 24, 3)


def test_an_adapter_that_has_not_learned_anything_keeps_its_layers():
    fresh = {
        layer: Pair(pair.down, torch.zeros_like(pair.up), 2.0)
        for layer, pair in random_pairs(OFFICIAL, 2, 2).items()
    }
    assert len(pairs_to_diffusers(fresh)) == len(random_pairs(OURS, 2, 2))


def test_half_precision_stays_half_precision():
    pairs = {
        layer: Pair(pair.down.bfloat16(), pair.up.bfloat16(), pair.alpha)
        for layer, pair in random_pairs(OURS, 2, 6).items()
    }
    back = pairs_to_diffusers(pairs_to_official(pairs))
    for layer, pair in pairs.items():
        assert back[layer].up.dtype == torch.bfloat16
        assert torch.equal(back[layer].up, pair.up)


@pytest.mark.parametrize("layer", ["double_blocks.0.img_attn_qkv", "single_blocks.0.linear1"])
def test_rows_that_do_not_part_are_refused(layer):
    odd = {layer: Pair(torch.ones(1, WIDTH), torch.ones(2 * WIDTH, 1), 1.0)}
    with pytest.raises(WeightsError, match=f"{layer} has 64 rows.*32 wide"):
        pairs_to_diffusers(odd)


def test_rows_that_do_not_join_are_refused():
    odd = {"transformer_blocks.0.attn.to_q": Pair(torch.ones(1, WIDTH), torch.ones(9, 1), 1.0)}
    with pytest.raises(WeightsError, match="to_q has 9 rows"):
        pairs_to_official(odd)
