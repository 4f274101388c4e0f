"""Sounds longer than the model's own length have no joins."""

import pytest
import torch
from tiny_sounds import conditions, tiny_transformer

from apps.v2a.model.layout import AudioLayout
from apps.v2a.windows import blended, window_shares
from foundation.flow.guidance import conditional
from foundation.flow.sampler import Step, sample
from foundation.flow.schedule import flow_sigmas


@pytest.mark.parametrize(
    ("tokens", "window", "overlap"), [(10, 4, 2), (500, 125, 31), (126, 125, 60), (9, 9, 4)]
)
def test_the_windows_shares_of_every_token_sum_to_one_and_never_jump(tokens, window, overlap):
    windows = AudioLayout(window=window, overlap=overlap).windows(tokens)
    total = torch.zeros(tokens)
    shares = window_shares(windows)
    for place, share in zip(windows, shares, strict=True):
        total[place] += share
        assert (share.diff().abs() <= 1 / (overlap + 1) + 1e-6).all()
    assert torch.allclose(total, torch.ones(tokens))


def test_where_windows_agree_their_blend_is_what_each_of_them_says():
    windows = AudioLayout(window=10, overlap=4).windows(33)
    flow = blended(windows, lambda group: lambda latents, step: 3 * latents)
    latents = torch.randn(1, 2, 33, 4)
    assert torch.allclose(flow(latents, Step(0, 1, 1.0)), 3 * latents, atol=1e-6)


def test_a_minute_of_sound_has_no_step_where_windows_join():
    layout = AudioLayout(window=20, overlap=5)
    tokens = 20 * 15
    model, told = tiny_transformer(num_layers=1, num_single_layers=1), conditions(tokens=tokens)
    windows = layout.windows(tokens)
    noise = torch.randn(1, 2, tokens, 4, generator=torch.Generator().manual_seed(0))
    flow = blended(windows, lambda group: conditional(model, told.in_windows(group)))
    made = sample(flow, noise, flow_sigmas(4, 1.0))[0].transpose(0, 1).flatten(1)
    levels = made.norm(dim=1)
    joins = torch.zeros(tokens - 1, dtype=torch.bool)
    for window in windows[1:]:
        joins[window.start - 1] = True
    for window in windows[:-1]:
        joins[window.stop - 1] = True
    for steps in (levels.diff().abs(), made.diff(dim=0).norm(dim=1)):
        assert steps[joins].mean() <= 1.1 * steps[~joins].mean()
    # Sounds made one after the other instead: what the blend is for.
    alone = torch.cat(
        [
            sample(conditional(model, told.in_windows([part])), noise[:, :, part], flow_sigmas(4, 1.0))
            for part in (slice(start, start + 20) for start in range(0, tokens, 20))
        ],
        dim=2,
    )
    assert not torch.allclose(alone, made.T.unflatten(0, (2, 4)).transpose(1, 2)[None])


def test_one_window_is_the_model_itself():
    model, told = tiny_transformer(), conditions(tokens=12)
    latents, step = torch.randn(1, 2, 12, 4), Step(0, 4, 0.7)
    windows = AudioLayout(window=12, overlap=4).windows(12)
    whole = blended(windows, lambda group: conditional(model, told.in_windows(group)))
    assert torch.allclose(whole(latents, step), conditional(model, told)(latents, step), atol=1e-6)
