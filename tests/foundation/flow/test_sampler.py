"""The sampling loop."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.flow.sampler import Cancelled, Step, hold_frames, lead_frames, sample
from foundation.flow.schedule import flow_sigmas
from shared.errors import ConfigError, InputError

NOISE = torch.randn(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def bent(latents, step):
    """Some velocity that depends on everything."""
    return torch.sin(latents * 3) + step.sigma


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0.5, 20), st.integers(0, 2**31))
def test_a_straight_flow_is_solved_exactly_at_any_number_of_steps(steps, shift, seed):
    data = torch.randn(NOISE.shape, generator=torch.Generator().manual_seed(seed))
    result = sample(lambda latents, step: NOISE - data, NOISE, flow_sigmas(steps, shift))
    torch.testing.assert_close(result, data, atol=2e-5, rtol=0)


@settings(deadline=None)
@given(st.integers(2, 12), st.data())
def test_a_run_goes_on_from_any_step_bit_for_bit(steps, data):
    start = data.draw(st.integers(0, steps))
    sigmas = flow_sigmas(steps, 3.0)
    states = [NOISE]
    whole = sample(bent, NOISE, sigmas, lambda step, latents, denoised: states.append(latents))
    assert torch.equal(sample(bent, states[start], sigmas, start=start), whole)


def test_a_callback_that_remembers_says_where_a_run_goes_on():
    sigmas = flow_sigmas(6, 3.0)

    class ResumableCallback:
        def __init__(self):
            self.states, self.taken = [NOISE], []

        def __call__(self, step, latents, denoised):
            self.states.append(latents)
            self.taken.append(step.index)

        def resume(self, noise, sigmas):
            return self.states[-1], len(self.states) - 1

    memory = ResumableCallback()
    whole = sample(bent, NOISE, sigmas, memory)
    memory.states, memory.taken = memory.states[:5], []
    assert torch.equal(sample(bent, NOISE, sigmas, memory), whole)
    assert memory.taken == [4, 5]
    assert torch.equal(sample(bent, NOISE, sigmas, memory), whole)  # all steps were taken already
    assert memory.taken == [4, 5]


def test_every_step_is_reported_with_its_level_and_its_guess_of_the_result():
    sigmas = flow_sigmas(4, 7.0)
    data = torch.zeros_like(NOISE)
    seen = []
    sample(lambda latents, step: NOISE - data, NOISE, sigmas, lambda *report: seen.append(report))
    assert [step for step, _, _ in seen] == [Step(i, 4, float(sigmas[i])) for i in range(4)]
    for _, _, denoised in seen:
        torch.testing.assert_close(denoised, data, atol=1e-6, rtol=0)


def test_steps_are_taken_in_float32_whatever_the_model_computes_in():
    result = sample(lambda latents, step: latents.bfloat16(), NOISE.double(), flow_sigmas(3, 1.0))
    assert result.dtype == torch.float32


def test_the_noise_given_stays_untouched():
    noise = NOISE.clone()
    sample(bent, noise, flow_sigmas(3, 1.0))
    assert torch.equal(noise, NOISE)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
def test_a_latent_that_is_no_number_ends_the_run_at_that_step(poison):
    taken = []

    def broken(latents, step):
        taken.append(step.index)
        flow = torch.zeros_like(latents, dtype=torch.float16)
        if step.index == 2:
            flow[0, 0, 0, 0, 0] = poison
        return flow

    with pytest.raises(ConfigError, match=r"step 3 of 5, .*float16"):
        sample(broken, NOISE, flow_sigmas(5, 1.0))
    assert taken == [0, 1, 2]


def test_an_exception_from_the_callback_ends_the_run_at_once():
    taken = []

    def stop(step, latents, denoised):
        taken.append(step.index)
        if step.index == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        sample(bent, NOISE, flow_sigmas(9, 1.0), stop)
    assert taken == [0, 1]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_held_frames_stay_as_they_are_and_the_others_do_not_notice(count):
    sigmas = flow_sigmas(6, 3.0)
    result = sample(hold_frames(bent, count), NOISE, sigmas)
    assert torch.equal(result[:, :, :count], NOISE[:, :, :count])
    assert torch.equal(result[:, :, count:], sample(bent, NOISE, sigmas)[:, :, count:])


@pytest.mark.parametrize("count", [1, 2])
def test_led_frames_end_where_they_are_led_and_stand_on_the_path_of_training_until_then(count):
    sigmas, seen = flow_sigmas(6, 3.0), []
    known = torch.full_like(NOISE[:, :, :count], 0.5)

    def watched(latents, step):
        expected = step.sigma * NOISE[:, :, :count] + (1 - step.sigma) * known
        seen.append(torch.allclose(latents[:, :, :count], expected, atol=1e-5))
        return bent(latents, step)

    result = sample(lead_frames(watched, NOISE, known), NOISE, sigmas)
    assert torch.allclose(result[:, :, :count], known, atol=1e-5)
    assert torch.equal(result[:, :, count:], sample(bent, NOISE, sigmas)[:, :, count:])
    assert all(seen)
    assert len(seen) == 6


@pytest.mark.parametrize("sigmas", [[1.0], [0.0, 1.0], [1.0, 1.0, 0.0], [1.0, float("nan"), 0.0]])
def test_levels_that_do_not_fall_are_refused(sigmas):
    with pytest.raises(InputError, match="sigmas"):
        sample(bent, NOISE, torch.tensor(sigmas))


@pytest.mark.parametrize("start", [-1, 4])
def test_a_start_outside_the_run_is_refused(start):
    with pytest.raises(InputError, match="start"):
        sample(bent, NOISE, flow_sigmas(3, 1.0), start=start)


def test_a_negative_number_of_held_frames_is_refused():
    with pytest.raises(InputError, match="-1"):
        hold_frames(bent, -1)
