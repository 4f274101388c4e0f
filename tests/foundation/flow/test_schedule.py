"""Noise schedules."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foundation.flow.schedule import auto_shift, flow_sigmas, linear_quadratic_sigmas, shifted
from shared.errors import InputError


def test_fifty_steps_at_shift_seven_are_the_official_timesteps():
    timesteps = flow_sigmas(50, 7.0) * 1000
    expected = [1000.0, 997.0930, 994.0829]
    assert timesteps[:3].tolist() == pytest.approx(expected, abs=5e-4)
    assert timesteps[-3:].tolist() == pytest.approx([225.81, 125.0, 0.0], abs=5e-3)
    assert timesteps.dtype == torch.float32


@given(st.integers(1, 1000), st.floats(0.1, 50))
def test_levels_fall_from_exactly_one_to_exactly_zero(steps, shift):
    sigmas = flow_sigmas(steps, shift)
    assert len(sigmas) == steps + 1
    assert sigmas[0] == 1
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


@given(st.floats(0, 1), st.floats(0.1, 50))
def test_shifting_back_undoes_a_shift(sigma, shift):
    assert shifted(shifted(sigma, shift), 1 / shift) == pytest.approx(sigma, abs=1e-9)


@pytest.mark.parametrize(
    ("steps", "shift"), [(1, 17), (10, 17), (19, 17), (20, 17), (35, 12), (50, 7), (51, 7), (200, 7)]
)
def test_the_papers_rule_gives_fewer_steps_a_larger_shift(steps, shift):
    assert auto_shift(steps) == pytest.approx(shift)


@given(st.integers(1, 1000))
def test_linear_quadratic_falls_from_one_to_zero(steps):
    sigmas = linear_quadratic_sigmas(steps)
    assert len(sigmas) == steps + 1
    assert sigmas[0] == 1
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


def test_linear_quadratic_starts_as_a_thousand_steps_would():
    assert linear_quadratic_sigmas(50)[:26].tolist() == pytest.approx([1 - i / 1000 for i in range(26)])


@pytest.mark.parametrize(
    "make", [lambda: flow_sigmas(0, 7.0), lambda: auto_shift(0), lambda: flow_sigmas(5, 0.0)]
)
def test_senseless_settings_are_refused(make):
    with pytest.raises(InputError):
        make()


@pytest.mark.parametrize("steps", [0, 1001])
def test_linear_quadratic_refuses_step_counts_that_it_cannot_place(steps):
    with pytest.raises(InputError, match=str(steps)):
        linear_quadratic_sigmas(steps)
