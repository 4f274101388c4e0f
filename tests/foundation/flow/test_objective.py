"""The flow-matching objective."""

import pytest
import torch

from foundation.flow.objective import draw_per_sample, logit_normal_sigma, make_noisy, velocity_loss
from foundation.flow.sampler import sample
from foundation.flow.schedule import flow_sigmas
from shared.errors import InputError

SHAPE = (2, 5, 4, 4)


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def batch(clean_frames=0):
    normal, noise = draw_per_sample(generators(1, 2, 3), SHAPE)
    data = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(9))
    return data, noise, make_noisy(data, noise, logit_normal_sigma(normal, 3.0), clean_frames)


def test_what_a_sample_draws_does_not_depend_on_its_batch():
    alone_normal, alone_noise = draw_per_sample(generators(2), SHAPE)
    normal, noise = draw_per_sample(generators(1, 2, 3), SHAPE)
    assert torch.equal(normal[1:2], alone_normal)
    assert torch.equal(noise[1:2], alone_noise)


def test_noise_levels_are_logit_normal_then_shifted():
    sigma = logit_normal_sigma(torch.tensor([-30.0, 0.0, 30.0]), shift=3.0)
    assert sigma.tolist() == pytest.approx([0.0, 0.75, 1.0], abs=1e-6)


def test_the_perfect_velocity_has_no_loss_and_leads_the_sampler_to_the_data():
    data, noise, noisy = batch()
    assert velocity_loss(noise - data, noisy) == 0
    result = sample(lambda latents, step: noisy.target, noise, flow_sigmas(7, 3.0))
    torch.testing.assert_close(result, data, atol=1e-5, rtol=0)


def test_latents_lie_on_the_line_between_data_and_noise():
    data, noise, noisy = batch()
    level = noisy.sigma[:, None, None, None, None]
    torch.testing.assert_close(noisy.latents, (1 - level) * data + level * noise)


def test_held_frames_are_data_and_count_for_nothing():
    data, _, noisy = batch(clean_frames=2)
    assert torch.equal(noisy.latents[:, :, :2], data[:, :, :2])
    velocity = noisy.target.clone()
    velocity[:, :, :2] = 1e6
    assert velocity_loss(velocity, noisy) == 0


def test_the_loss_is_the_mean_square_whatever_dtype_the_velocity_has():
    _, _, noisy = batch()
    loss = velocity_loss(torch.zeros_like(noisy.target, dtype=torch.bfloat16), noisy)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, noisy.target.square().mean())


def test_weights_choose_between_samples():
    _, _, noisy = batch()
    loss = velocity_loss(torch.zeros_like(noisy.target), noisy, weight=torch.tensor([3.0, 0.0, 0.0]))
    torch.testing.assert_close(loss, noisy.target[0].square().mean())


@pytest.mark.parametrize("clean_frames", [-1, 5])
def test_a_frame_must_be_left_to_learn_from(clean_frames):
    with pytest.raises(InputError, match="clean_frames"):
        batch(clean_frames)


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(InputError, match="sigma"):
        make_noisy(torch.zeros(2, *SHAPE), torch.zeros(2, *SHAPE), torch.zeros(3))
