"""What image-to-video trains on: windows of clips, of which some latent frames are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from apps.i2v.conditioning.channels import condition_channels
from apps.i2v.conditioning.keyframes import latent_frame
from apps.i2v.training.patterns import PatternShares, draw_pattern, windowed
from apps.i2v.training.people import people_filter
from foundation.data.flow_batch import EncodedClip
from foundation.data.toybox.samples import ToyPart
from foundation.training.curriculum import OrderedSamples, Stage
from foundation.training.flow import Encoders, folder_samples, toy_part, toy_samples
from foundation.training.trainer import processes

if TYPE_CHECKING:
    from apps.i2v.training.recipe import PictureRecipe

CONTINUED = PatternShares(first=0, both_ends=0, keyframes=0, continued=1)


class GivenPictures:
    """A window of each clip, with given latent frames in the channels behind the noise.

    Args:
        shares: of the patterns.
        window: latent frames that are trained on, of clips that have as many.
    """

    def __init__(self, shares: PatternShares, window: int) -> None:
        self.shares, self.window = shares, window
        self.stills = shares != CONTINUED

    def frames(self, clip: int) -> int:
        """A window, or the clip where it is shorter."""
        return min(clip, self.window)

    def __call__(
        self, clip: EncodedClip, generator: np.random.Generator
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Latents (C, T, h, w) and `channels` (C + 1, T, h, w), as the pipeline fills them."""
        frames = clip.latents.shape[1]
        window = self.frames(frames)
        pattern = draw_pattern(generator, frames, window, self.shares)
        pictures = clip.latents if clip.stills is None else clip.stills
        target, known = windowed(clip.latents, pictures, pattern, window)
        return target, {"channels": condition_channels(known[None], pattern.given(window)[None])[0]}


def picture_samples(recipe: PictureRecipe, encoders: Encoders, stage: Stage) -> OrderedSamples:
    """The data of a stage, encoded and cached by one process before the others read it.

    Windows inside of clips come from clips that are `recipe.longer` frames longer: a user's own, or in the toybox
    others, since its motions take the whole of a clip.
    """
    window = latent_frame(stage.frames - 1) + 1
    longer = replace(stage, frames=stage.frames + recipe.longer)
    with processes().main_process_first():
        if recipe.data is None:
            return toy_samples(recipe, _toy_parts(recipe, encoders, stage, longer, window))
        refuse = people_filter(recipe.people, recipe.fps, recipe.cache)
        return folder_samples(recipe, longer, encoders, GivenPictures(recipe.patterns, window), refuse)


def _toy_parts(
    recipe: PictureRecipe, encoders: Encoders, stage: Stage, longer: Stage, window: int
) -> list[ToyPart]:
    shares = recipe.patterns
    pictures = shares.first + shares.both_ends + shares.keyframes
    parts = []
    if pictures:
        conditions = GivenPictures(replace(shares, continued=0), window)
        parts.append(toy_part(recipe, encoders, stage, conditions=conditions))
    if shares.continued:
        ratio = shares.continued / pictures if pictures else 1.0
        parts.append(toy_part(recipe, encoders, longer, ratio, GivenPictures(CONTINUED, window)))
    return parts
