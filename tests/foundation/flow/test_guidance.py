"""Guidance, and the cache contexts that it sets."""

from contextlib import contextmanager

import pytest
import torch

from foundation.flow.guidance import classifier_free, conditional
from foundation.flow.sampler import Step
from foundation.models.transformer import Conditioning, TextConditioning
from shared.errors import InputError

STEP = Step(3, 10, 0.5)
LATENTS = torch.ones(2, 1, 1, 2, 2)


class Recorder:
    """Answers with the prompt's pooled value and notes under which context it was asked."""

    def __init__(self):
        self.contexts = []

    @contextmanager
    def cache_context(self, name, **place):
        self.contexts.append((name, place))
        yield

    def __call__(self, latents, sigma, conditioning):
        assert sigma.tolist() == [0.5, 0.5]
        return torch.full_like(latents, float(conditioning.text.pooled[0, 0]), dtype=torch.bfloat16)


def prompt(value, length):
    return Conditioning(TextConditioning(torch.zeros(2, length, 4), None, torch.full((2, 1), value)))


def test_one_pass_runs_in_the_conditional_cache_context():
    model = Recorder()
    assert (conditional(model, prompt(3.0, 5))(LATENTS, STEP) == 3).all()
    assert model.contexts == [("cond", {"step_index": 3, "sigma": 0.5, "num_inference_steps": 10})]


def test_classifier_free_guidance_walks_away_from_the_negative_prompt():
    model = Recorder()
    velocity = classifier_free(model, prompt(3.0, 5), prompt(1.0, 2), 4.0)(LATENTS, STEP)
    assert (velocity == 1 + 4 * (3 - 1)).all()
    assert velocity.dtype == torch.float32
    assert [name for name, _ in model.contexts] == ["cond", "uncond"]


def test_scale_one_costs_one_pass():
    model = Recorder()
    assert (classifier_free(model, prompt(3.0, 5), prompt(1.0, 2), 1.0)(LATENTS, STEP) == 3).all()
    assert [name for name, _ in model.contexts] == ["cond"]


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_senseless_scales_are_refused(scale):
    with pytest.raises(InputError, match="cfg"):
        classifier_free(Recorder(), prompt(3.0, 5), prompt(1.0, 2), scale)
