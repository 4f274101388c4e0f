"""Text-to-video for people: a prompt becomes a `Clip`."""

from dataclasses import replace
from typing import Literal

import torch

from foundation.flow.sampler import OnStep, sample
from foundation.models.text.encoder import Note
from foundation.models.text.templates import TemplateKind
from foundation.runtime.memory import oom_hints
from foundation.runtime.video_pipeline import VideoPipeline
from shared.errors import InputError, WeightsError
from shared.results import Clip


class TextToVideoPipeline(VideoPipeline):
    """Generate a clip from a prompt."""

    def check_fit(self) -> None:
        """Refuse parts that do not belong together, and a transformer that wants more than text.

        Raises:
            WeightsError: the line names what differs.
        """
        super().check_fit()
        config, channels = self.transformer.config, self.vae.config.latent_channels
        if config.in_channels != channels:
            raise WeightsError(
                f"the transformer's in_channels is {config.in_channels}, and {channels} come from the VAE, so text "
                "alone is not enough"
            )
        if config.image_condition_type is not None:
            raise WeightsError(
                f"the transformer wants a picture ({config.image_condition_type}), so text alone is not enough"
            )

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        *,
        negative_prompt: str = "",
        steps: int | None = None,
        seed: int = 0,
        size: tuple[int, int] | None = None,
        frames: int | None = None,
        cfg: float | None = None,
        guidance: float | None = None,
        shift: float | Literal["auto"] | None = None,
        on_step: OnStep | None = None,
        note: Note | None = None,
    ) -> Clip:
        """Make one clip.

        Args:
            prompt: what it shows.
            negative_prompt: what it shall not show; read only where `cfg` is not 1.
            steps: of the sampler; None, here and below: the model folder's default.
            seed: of the noise, the same noise on every device.
            size: (width, height) in pixels, multiples of 16.
            frames: 4k + 1; one frame is a picture.
            cfg: classifier-free guidance scale, 1 is off.
            guidance: embedded guidance scale, for models that have it.
            shift: of the schedule; `auto` is the paper's rule.
            on_step: progress, preview and cancellation, see `foundation.flow.sampler`.
            note: called with what is said aloud (a prompt that had to be cut).

        Raises:
            InputError: a prompt without text, a size or number of frames that does not fit.
            ConfigError: guidance for a model without it, or latents that stop being finite.
            ResourceError: memory runs out.
        """
        if not prompt.strip():
            raise InputError("the prompt is empty: say what the clip shows")
        width, height = size or self.defaults.size
        frames = frames or self.defaults.frames
        noise = self.noise(seed, frames, width, height)
        kind: TemplateKind = "image" if frames == 1 else "video"
        scale, cfg = self.embedded(guidance), self.defaults.cfg if cfg is None else cfg
        wanted = replace(self.encode_text(prompt, kind, note), guidance=scale)
        unwanted = None
        if cfg != 1:
            unwanted = replace(self.encode_text(negative_prompt, kind), guidance=scale)
        velocity = self.guided(wanted, unwanted, cfg)
        with oom_hints():
            return self.finish(sample(velocity, noise, self.sigmas(steps, shift), on_step))
