"""Image-to-video for people: given pictures and a prompt become a `Clip`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from numpy.typing import NDArray
from torch import Tensor, nn

from apps.i2v.conditioning.channels import channels_of, keyframe_channels
from apps.i2v.conditioning.extension import extended, extended_frames
from apps.i2v.conditioning.images import Fit, check_shape, fitted, nearest_size, read_picture
from apps.i2v.conditioning.keyframes import gathered, latent_frame, placed
from apps.i2v.conditioning.latents_file import recovered
from apps.i2v.conditioning.reinsertion import reinsert_keyframes
from apps.i2v.conditioning.semantics import picture_states
from apps.i2v.conditioning.variants import OWN, variant_of
from foundation.checkpoints.defaults import ModelDefaults
from foundation.checkpoints.registry import ModelParts
from foundation.flow.sampler import OnStep, Velocity, hold_frames, lead_frames, sample
from foundation.models.text.encoder import CLIPPooledEncoder, MLLMEncoder, Note, TextEncoder
from foundation.models.transformer.conditioning import Conditioning, TextConditioning
from foundation.models.transformer.model import VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from foundation.runtime.memory import oom_hints
from foundation.runtime.video_pipeline import VideoPipeline
from shared.config import Size
from shared.errors import InputError, WeightsError, first_line
from shared.results import Clip

Picture = NDArray[np.uint8]

STABILITY = 0.001
"""How much of the first picture's latents is mixed into the noise of every frame, where stability is asked for."""


class ImageToVideoPipeline(VideoPipeline):
    """Generate a clip from images at given frames and a prompt."""

    diffusers_class = "HunyuanVideoImageToVideoPipeline"
    app = "i2v"
    _optional_components = ["image_processor"]  # noqa: RUF012

    def __init__(
        self,
        transformer: VideoTransformer,
        vae: CausalVideoVAE,
        text_encoder: nn.Module,
        tokenizer: Any,
        text_encoder_2: nn.Module,
        tokenizer_2: Any,
        scheduler: FlowMatchEulerDiscreteScheduler,
        image_processor: Any,
    ) -> None:
        super().__init__(transformer, vae, text_encoder, tokenizer, text_encoder_2, tokenizer_2, scheduler)
        self.register_modules(image_processor=image_processor)
        self.variant = OWN

    @classmethod
    def load_more(cls, parts: ModelParts) -> dict[str, Any]:
        """The language model's image processor, None where the folder has none."""
        return {"image_processor": _image_processor(parts)}

    def read_folder(self, folder: Path) -> None:
        """What the model folder says: the defaults, and how the weights want their picture."""
        super().read_folder(folder)
        self.variant = variant_of(self.transformer.config.image_condition_type, folder)

    def check_fit(self) -> None:
        """Refuse parts that do not belong together, and a transformer that takes no picture.

        Raises:
            WeightsError: the line says what would be right.
        """
        super().check_fit()
        config, channels = self.transformer.config, self.vae.config.latent_channels
        wanted = {"latent_concat": channels_of(channels), "token_replace": channels}
        if config.in_channels != wanted.get(config.image_condition_type):
            raise WeightsError(
                f"the transformer takes no picture (in_channels {config.in_channels}, image_condition_type "
                f"{config.image_condition_type}); hunyuanvideo-i2v does"
            )

    def defaults_with(self, stability: bool) -> ModelDefaults:
        """The model's defaults; the released weights' shift depends on `stability`."""
        shifts = self.variant.shifts
        return self.defaults if shifts is None else replace(self.defaults, shift=shifts[stability])

    @torch.no_grad()
    def __call__(
        self,
        image: Picture | Path | str | None,
        prompt: str,
        *,
        last_image: Picture | Path | str | None = None,
        keyframes: Mapping[int, Picture | Path | str] | None = None,
        loop: bool = False,
        fit: Fit = "crop",
        stability: bool = False,
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
        """Make one clip. What is not named here is as in `TextToVideoPipeline`.

        Args:
            image: the first frame, a file or (H, W, 3) uint8; None where there are keyframes.
            prompt: what happens.
            last_image: the last frame.
            keyframes: pictures by frame, counted from 0; see `conditioning.keyframes` for where they may stand.
            loop: the first frame is the last one too.
            fit: how pictures come to the clip's size.
            stability: mix a trace of the first picture into the noise, for calmer clips.
            negative_prompt: see there.
            steps: see there.
            seed: see there.
            size: (width, height); None: of the model's area, in the aspect ratio nearest to the first picture's.
            frames: see there.
            cfg: see there.
            guidance: see there.
            shift: see there.
            on_step: see there.
            note: told what is said aloud, such as how pictures were cut.

        Raises:
            InputError: a prompt without text, no picture, one that cannot be read, or that these weights do not take.
            ConfigError: guidance for a model without it, or latents that stop being finite.
            ResourceError: memory runs out.
        """
        if not prompt.strip():
            raise InputError("the prompt is empty: say what happens")
        frames = frames or self.defaults.frames
        given, moved = placed(gathered(image, last_image, keyframes or {}, loop, frames), frames)
        if self.variant.first_only and set(given) != {0}:
            raise InputError(
                "these weights take a first picture alone: leave out last image, keyframes and loop, and give an image"
            )
        opened = {at: _opened(picture, note) for at, picture in given.items()}
        seen = next(iter(opened.values()))
        size = Size(*size) if size else nearest_size(seen, self.defaults.size)
        if note is not None:
            for line in moved:
                note(line)
        pictures = {at: fitted(picture, size, fit, note=note) for at, picture in opened.items()}
        latents = {at: self.encode_picture(picture) for at, picture in pictures.items()}

        dropped = self.variant.dropped_frames
        noise, slots = self._conditions(self.noise(seed, frames + dropped, *size), latents, stability)
        slots["guidance"], cfg = self.embedded(guidance), self.defaults.cfg if cfg is None else cfg
        wanted, unwanted = self.encode_seen(prompt, seen, note), None
        if cfg != 1:
            unwanted = self.encode_seen(negative_prompt, np.zeros((size.height, size.width, 3), np.uint8))
        velocity = self._told(wanted, unwanted, cfg, slots)
        velocity = hold_frames(velocity, slots.get("clean_frames", 0))
        if self.variant is OWN and 0 in latents:
            velocity = lead_frames(velocity, noise, latents[0])
        shift = self.defaults_with(stability).shift if shift is None else shift
        with oom_hints():
            made = sample(velocity, noise, self.sigmas(steps, shift), on_step)
            clip = self.finish(reinsert_keyframes(made, pictures, self.vae))
        return replace(clip, frames=clip.frames[dropped:])

    @torch.no_grad()
    def extend(
        self,
        latents: Tensor,
        prompt: str,
        *,
        times: int = 1,
        negative_prompt: str = "",
        steps: int | None = None,
        seed: int = 0,
        frames: int | None = None,
        cfg: float | None = None,
        guidance: float | None = None,
        shift: float | Literal["auto"] | None = None,
        on_step: OnStep | None = None,
        note: Note | None = None,
    ) -> tuple[Clip, Tensor]:
        """Let a clip go on. What is not named here is as in `__call__`.

        Args:
            latents: (1, C, T, h, w), the clip's, normalised.
            prompt: what happens next.
            times: how many windows are added.
            negative_prompt: see there.
            steps: of each window.
            seed: of the noise of all windows.
            frames: of a window, what it is given of the clip included; 4k + 1.
            cfg: see there.
            guidance: see there.
            shift: see there.
            on_step: told of each window's steps.
            note: see there.

        Returns:
            The whole clip, decoded at once, and its latents, to extend it further.

        Raises:
            InputError: a prompt without text, a window that adds nothing, or weights that cannot continue a clip.
            ConfigError: as in `__call__`.
            ResourceError: memory runs out.
        """
        if not prompt.strip():
            raise InputError("the prompt is empty: say what happens next")
        if self.variant.first_only:
            raise InputError("these weights take a first picture alone and cannot continue a clip")
        window = latent_frame((frames or self.defaults.frames) - 1) + 1
        cfg = self.defaults.cfg if cfg is None else cfg
        wanted, unwanted = self.encode_text(prompt, "video", note), None
        if cfg != 1:
            unwanted = self.encode_text(negative_prompt)
        latents = latents.to(self._execution_device, torch.float32)
        noise = self._noise_for(latents, extended_frames(latents.shape[2], window, times), seed)
        sigmas = self.sigmas(steps, shift)

        def make(known: Tensor, place: slice) -> Tensor:
            given = {at: known[:, :, at : at + 1] for at in range(known.shape[2])}
            slots = {"channels": keyframe_channels(given, window), "guidance": self.embedded(guidance)}
            velocity = self._told(wanted, unwanted, cfg, slots)
            start = noise[:, :, place]
            return sample(lead_frames(velocity, start, known), start, sigmas, on_step)

        with oom_hints():
            longer = extended(latents, make, window, times)
            return self.finish(longer), longer

    def recover(self, frames: NDArray[np.uint8]) -> Tensor:
        """Latents of a clip of which there are pixels alone; see `apps.i2v.conditioning.latents_file.recovered`."""
        return recovered(frames, self.vae, self._execution_device)

    def encode_picture(self, picture: Picture) -> Tensor:
        """A picture (H, W, 3) uint8 of the clip's size -> its latents (1, C, 1, h, w), normalised, float32."""
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None, :, None]
        pixels = pixels.to(self._execution_device, self.vae.dtype) / 127.5 - 1
        return self.vae.to_latents(pixels).float()

    def encode_seen(self, prompt: str, picture: Picture, note: Note | None = None) -> Conditioning:
        """The conditioning of a prompt; for weights that want it, of what the language model sees too."""
        stride = self.variant.image_stride
        if not stride:
            return self.encode_text(prompt, "video", note)
        mllm = MLLMEncoder(self.text_encoder, self.tokenizer)
        clip = CLIPPooledEncoder(self.text_encoder_2, self.tokenizer_2)
        TextEncoder(mllm, clip).check([prompt])
        states, cut = picture_states(mllm, self.image_processor, prompt, picture, stride)
        if cut and note is not None:
            note(f"prompt too long, its last {cut} tokens are not read")
        pooled, _ = clip([prompt], self._execution_device)
        return Conditioning(TextConditioning(states, None, pooled))

    def _told(
        self, wanted: Conditioning, unwanted: Conditioning | None, cfg: float, slots: Mapping[str, Any]
    ) -> Velocity:
        """The guided velocity, with the same slots beside what is wanted and what is not."""
        other = None if unwanted is None else replace(unwanted, **slots)
        return self.guided(replace(wanted, **slots), other, cfg)

    def _noise_for(self, latents: Tensor, frames: int, seed: int) -> Tensor:
        """Noise for a clip of these latents' size and `frames` latent frames."""
        config = self.vae.config
        height, width = (side * config.spatial_compression_ratio for side in latents.shape[3:])
        return self.noise(seed, (frames - 1) * config.temporal_compression_ratio + 1, width, height)

    def _conditions(
        self, noise: Tensor, latents: dict[int, Tensor], stability: bool
    ) -> tuple[Tensor, dict[str, Any]]:
        """The latents to start from, and the slots that tell the transformer of the pictures."""
        first = next(iter(latents.values()))
        if stability:
            noise = noise * (1 - STABILITY) + first * STABILITY
        if self.transformer.config.image_condition_type == "token_replace":
            return torch.cat([first, noise[:, :, 1:]], dim=2), {"clean_frames": 1}
        return noise, {"channels": keyframe_channels(latents, noise.shape[2])}


def _opened(picture: Picture | Path | str, note: Note | None) -> Picture:
    if not isinstance(picture, np.ndarray):
        return read_picture(Path(picture), note)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise InputError(f"a picture must be (H, W, 3) uint8, not {picture.shape} {picture.dtype}")
    check_shape(picture, "the picture")
    return picture


def _image_processor(parts: ModelParts) -> Any:
    from transformers import CLIPImageProcessor

    for folder in (parts.folder / "image_processor", parts.tokenizer):
        if (folder / "preprocessor_config.json").is_file():
            try:
                return CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
            except (OSError, ValueError, TypeError) as error:
                raise WeightsError(f"{folder} cannot be read: {first_line(error)}") from error
    return None
