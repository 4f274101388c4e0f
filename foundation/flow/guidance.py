"""Guidance: how one or two passes of the transformer become the velocity that the sampler follows."""

from __future__ import annotations

from typing import TypeVar

from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

from foundation.flow.sampler import Step, Velocity
from shared.errors import InputError

Conditions = TypeVar("Conditions")
"""What a model is told: `Conditioning` for the video transformer, an app's own record for an app's own model."""


def conditional(transformer: ModelMixin, conditioning: object) -> Velocity:
    """One pass per step; embedded guidance, where the model has it, stands in the conditioning.

    Args:
        transformer: the model, called with latents, sigma and its conditions.
        conditioning: its conditions; put them on the latents' device beforehand, else every step moves them.
    """

    def velocity(latents: Tensor, step: Step) -> Tensor:
        return _passed(transformer, latents, step, conditioning, "cond")

    return velocity


def classifier_free(
    transformer: ModelMixin, conditioning: Conditions, negative: Conditions, scale: float
) -> Velocity:
    """Two passes per step: negative + scale * (positive - negative) (spec section 4, "true CFG").

    The passes are separate, so that prompts of different lengths need no padding, and each has its own cache.

    Args:
        transformer: the model.
        conditioning: what is wanted.
        negative: the same slots, with what is not wanted, or the empty prompt.
        scale: `cfg`; 1 is the plain conditional velocity, made in one pass.

    Raises:
        InputError: a negative or unbounded scale.
    """
    if not 0 <= scale < float("inf"):
        raise InputError(f"cfg is {scale}; it must be 0 or more, 1 for none")
    if scale == 1:
        return conditional(transformer, conditioning)

    def velocity(latents: Tensor, step: Step) -> Tensor:
        wanted = _passed(transformer, latents, step, conditioning, "cond").float()
        unwanted = _passed(transformer, latents, step, negative, "uncond").float()
        return unwanted.lerp(wanted, scale)

    return velocity


def _passed(transformer: ModelMixin, latents: Tensor, step: Step, conditioning: object, name: str) -> Tensor:
    """One pass under its cache context, which stateful cache hooks require of the single pass as well."""
    sigma = latents.new_full((len(latents),), step.sigma)
    with transformer.cache_context(
        name, step_index=step.index, sigma=step.sigma, num_inference_steps=step.total
    ):
        return transformer(latents, sigma, conditioning)
