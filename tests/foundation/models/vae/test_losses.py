"""The VAE's losses: what they measure, and whom they move."""

import pytest
import torch
from tiny_models import STARTER_VAE, tiny_vae
from transformers import CLIPVisionConfig, CLIPVisionModel

from foundation.models.vae.model import CausalVideoVAE
from foundation.training.config import LossWeights
from foundation.training.vae.discriminator import PatchDiscriminator
from foundation.training.vae.losses import VAELearner, VAEObjective
from foundation.training.vae.perceptual import ClipDistance, LpipsDistance
from shared.errors import ConfigError


def numbers(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def objective():
    torch.manual_seed(0)
    learner = VAELearner(tiny_vae(CausalVideoVAE, **STARTER_VAE), PatchDiscriminator((4, 8)))
    return VAEObjective(learner, LossWeights(l1=0, kl=0, perceptual=0, adversarial=1.0), deviation=0.1)


BATCH = {
    "frames": numbers(1, 3, 5, 16, 16),
    "noise": torch.zeros(1, 4, 2, 2, 2),
    "tiled": torch.tensor(False),
}


def gradients(module):
    return {
        name: parameter.grad for name, parameter in module.named_parameters() if parameter.grad is not None
    }


def test_each_side_of_the_contest_is_moved_by_its_own_loss_alone(objective):
    loss, values = objective(BATCH)
    loss.backward()
    both = gradients(objective.model.discriminator)
    assert gradients(objective.model.vae.decoder)
    objective.zero_grad()
    with torch.no_grad():
        posterior = objective.model.vae.encode(BATCH["frames"])
        decoded = objective.model.vae.decode(posterior.mean)
    real, fake = (objective.model.discriminator(clip) for clip in (BATCH["frames"], decoded))
    ((1 - real).relu() + (1 + fake).relu()).mean().div(2).backward()
    alone = gradients(objective.model.discriminator)
    assert both.keys() == alone.keys()
    for name in both:
        torch.testing.assert_close(both[name], alone[name])
    assert float(values["adversarial"]) == pytest.approx(-float(fake.detach().mean()), abs=1e-5)


def test_clip_sees_no_distance_between_equal_clips_and_more_the_more_is_changed():
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    distance = ClipDistance(CLIPVisionModel(config))
    clip, change = numbers(1, 3, 2, 16, 16), numbers(1, 3, 2, 16, 16, seed=1)
    steps = [float(distance(clip + strength * change, clip)) for strength in (0.0, 0.1, 0.5)]
    assert steps[0] == pytest.approx(0, abs=1e-6)
    assert steps == sorted(steps)
    assert steps[2] > 2 * steps[1]
    moved = clip.clone().requires_grad_()
    distance(moved, change).backward()
    assert moved.grad.abs().max() > 0


def test_lpips_that_is_not_there_is_named_with_what_does_without():
    with pytest.raises(ConfigError, match="network=clip does without"):
        LpipsDistance()
