"""What every pipeline that makes clips shares: its parts, text, noise, schedule, and the way to a `Clip`."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from numpy.typing import NDArray
from torch import Tensor, nn

from foundation.checkpoints.defaults import HUNYUANVIDEO, ModelDefaults, read_defaults
from foundation.checkpoints.hashes import files_sha256
from foundation.checkpoints.loading import load_model
from foundation.checkpoints.lora.adapters import load_loras
from foundation.checkpoints.lora.source import Lora, check_loras, describe_loras
from foundation.checkpoints.model_folder import PIPELINE, load_transformer, write_defaults, write_index
from foundation.checkpoints.registry import ModelParts, find_parts
from foundation.checkpoints.text_encoders import load_clip, load_mllm, load_tokenizer
from foundation.flow.guidance import classifier_free, conditional
from foundation.flow.sampler import Velocity
from foundation.flow.schedule import auto_shift, flow_sigmas
from foundation.models.text.encoder import CLIPPooledEncoder, MLLMEncoder, Note, TextEncoder
from foundation.models.text.templates import TemplateKind
from foundation.models.transformer.conditioning import Conditioning
from foundation.models.transformer.model import VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from foundation.runtime.device import choose_device, choose_dtype, describe
from foundation.runtime.prepare import prepare
from foundation.runtime.quantise import quanto_config
from foundation.runtime.settings import RuntimeSettings, check_offload
from shared.errors import ConfigError, InputError, WeightsError
from shared.results import Clip


class VideoPipeline(DiffusionPipeline):
    """Text encoders, transformer, VAE and the schedule's settings, in diffusers' folder layout."""

    diffusers_class = PIPELINE
    app: str | None = None
    """Whose weights a model folder may hold beside its own."""
    model_cpu_offload_seq = "text_encoder->text_encoder_2->transformer->vae"

    def __init__(
        self,
        transformer: VideoTransformer,
        vae: CausalVideoVAE,
        text_encoder: nn.Module,
        tokenizer: Any,
        text_encoder_2: nn.Module,
        tokenizer_2: Any,
        scheduler: FlowMatchEulerDiscreteScheduler,
    ) -> None:
        super().__init__()
        self.register_modules(
            transformer=transformer,
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            text_encoder_2=text_encoder_2,
            tokenizer_2=tokenizer_2,
            scheduler=scheduler,
        )
        self.defaults = HUNYUANVIDEO
        self.weights_sha256: dict[str, str] = {}
        self.lora: list[dict[str, Any]] = []

    @classmethod
    def from_pretrained(
        cls,
        model: str = "starter",
        base: str | None = None,
        note: Note | None = None,
        lora: Sequence[Lora] = (),
        condition_type: Literal["latent_concat", "token_replace"] | None = None,
        own: Mapping[str, str] | None = None,
        **runtime: Any,
    ) -> Self:
        """Load a model by its registered name, its folder, or its transformer's file.

        Args:
            model: see `foundation.checkpoints.registry.find_parts`.
            base: the model that gives the rest when `model` is a transformer alone; None: `hunyuanvideo`.
            note: told what was taken for granted about a single file, and which keys of a LoRA found a place.
            lora: adapters on top of the transformer; their updates add up.
            condition_type: how the transformer takes a picture, where neither its shapes nor a `config.json` tell.
            own: files or folders instead of the model's `vae`, `text_encoder` and `text_encoder_2`; a file has the
                architecture of the part that it stands for.
            runtime: device, dtype, offload and the rest of `foundation.runtime.settings.RuntimeSettings`. The
                VAE runs in float32 but on a GPU, where it takes the same dtype as the others.

        Raises:
            WeightsError: if a part or a LoRA is missing, damaged or of another architecture.
            InputError: a device, kernel or package that is not here.
        """
        settings = RuntimeSettings(**runtime)
        check_loras(lora)
        parts = find_parts(model, base, cls.app, own)
        device = choose_device(settings.device)
        check_offload(settings.offload, device.type)
        dtype = choose_dtype(settings.dtype, device)
        pipe = cls(
            transformer=load_transformer(parts, dtype, quanto_config(settings.quantise), note),
            vae=load_model(
                CausalVideoVAE, parts.vae, dtype if device.type == "cuda" else torch.float32, note=note
            ),
            text_encoder=load_mllm(parts.text_encoder, dtype, parts.configurations.get("text_encoder")),
            tokenizer=load_tokenizer(parts.tokenizer),
            text_encoder_2=load_clip(parts.text_encoder_2, dtype, parts.configurations.get("text_encoder_2")),
            tokenizer_2=load_tokenizer(parts.tokenizer_2),
            scheduler=_scheduler(parts.folder),
            **cls.load_more(parts),
        )
        if condition_type is not None:
            pipe.ask_for(condition_type)
        pipe.check_fit()
        if lora:
            load_loras(pipe.transformer, lora, note)
            pipe.lora = describe_loras(lora)
        pipe.read_folder(parts.folder)
        pipe.weights_sha256 = files_sha256(parts.weights())
        prepare(pipe, settings, device, dtype)
        return pipe

    @classmethod
    def load_more(cls, parts: ModelParts) -> dict[str, Any]:
        """Components that only this pipeline has."""
        return {}

    def read_folder(self, folder: Path) -> None:
        """What the model folder says beside the weights: the defaults.

        Raises:
            WeightsError: a file there is damaged.
        """
        self.defaults = _defaults(folder, self)

    def ask_for(self, condition_type: Literal["latent_concat", "token_replace"]) -> None:
        """Take the transformer for one of a condition type that its file does not tell.

        Raises:
            ConfigError: it tells another one.
        """
        told = self.transformer.config.image_condition_type
        if told not in (None, condition_type):
            raise ConfigError(f"condition_type {condition_type} was asked for; the transformer's is {told}")
        self.transformer.register_to_config(image_condition_type=condition_type)

    def check_fit(self) -> None:
        """Refuse parts that do not belong together, such as a transformer on another base.

        Raises:
            WeightsError: the line names the width that differs.
        """
        config = self.transformer.config
        decoder, clip = self.text_encoder.config.get_text_config(), self.text_encoder_2.config
        widths = {
            "text_embed_dim": (config.text_embed_dim, decoder.hidden_size, "text encoder"),
            "pooled_projection_dim": (config.pooled_projection_dim, clip.hidden_size, "second text encoder"),
            "out_channels": (config.out_channels, self.vae.config.latent_channels, "VAE"),
        }
        for key, (wanted, there, part) in widths.items():
            if wanted != there:
                raise WeightsError(f"the transformer's {key} is {wanted}, and {there} come from the {part}")

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Write the folder so that diffusers' own pipeline opens it too, wherever no key is ours."""
        super().save_pretrained(save_directory, **options)
        write_index(Path(save_directory), self.diffusers_class)
        write_defaults(Path(save_directory), self.defaults)

    def encode_text(
        self, prompt: str, kind: TemplateKind = "video", note: Note | None = None
    ) -> Conditioning:
        """The conditioning of one prompt, without padding or mask."""
        encoder = TextEncoder(
            MLLMEncoder(self.text_encoder, self.tokenizer),
            CLIPPooledEncoder(self.text_encoder_2, self.tokenizer_2),
        )
        return Conditioning(encoder(prompt, kind, self._execution_device, note).trimmed())

    def embedded(self, guidance: float | None) -> Tensor | None:
        """(1,) embedded guidance for the conditioning: as asked, or the default of a model that embeds it."""
        if self.transformer.config.guidance_embeds:
            guidance = self.defaults.guidance if guidance is None else guidance
        return None if guidance is None else torch.tensor([guidance], device=self._execution_device)

    def guided(self, wanted: Conditioning, unwanted: Conditioning | None, cfg: float) -> Velocity:
        """The transformer's velocity, classifier-free where there is something unwanted."""
        if unwanted is None:
            return conditional(self.transformer, wanted)
        return classifier_free(self.transformer, wanted, unwanted, cfg)

    def sigmas(self, steps: int | None, shift: float | Literal["auto"] | None) -> Tensor:
        """The schedule: as asked, or the model folder's."""
        steps, shift = steps or self.defaults.steps, self.defaults.shift if shift is None else shift
        return flow_sigmas(steps, auto_shift(steps) if shift == "auto" else shift)

    def noise(self, seed: int, frames: int, width: int, height: int) -> Tensor:
        """(1, C, T, h, w) standard normal, drawn on the CPU so that a seed means the same everywhere."""
        time, space = self.vae.config.temporal_compression_ratio, self.vae.config.spatial_compression_ratio
        unit = space * self.transformer.config.patch_size
        if width % unit or height % unit or min(width, height) < unit:
            raise InputError(f"size {width}x{height} does not fit: both sides must be multiples of {unit}")
        if frames % time != 1:
            raise InputError(f"{frames} frames do not fit: {time}k + 1 are needed")
        shape = (1, self.vae.config.latent_channels, frames // time + 1, height // space, width // space)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        return noise.to(self._execution_device)

    def finish(self, latents: Tensor) -> Clip:
        """Decode latents (1, C, T, h, w), free the models, and say what made the clip."""
        media = self.to_media(latents)
        self.maybe_free_model_hooks()
        runtime = describe(self._execution_device, self.transformer.x_embedder.proj.weight.dtype)
        about = {"weights_sha256": self.weights_sha256, "runtime": runtime}
        return Clip(media, self.defaults.fps, {**about, "lora": self.lora} if self.lora else about)

    def to_media(self, latents: Tensor) -> NDArray[np.uint8]:
        """Normalised latents (1, C, T, h, w) -> frames (F, H, W, 3) uint8."""
        pixels = self.vae.to_frames(latents.to(self.vae.dtype))[0]  # (3, F, H, W)
        levels = ((pixels.float() + 1) * 127.5).round().to(torch.uint8)
        return levels.permute(1, 2, 3, 0).contiguous().cpu().numpy()


def _scheduler(folder: Path) -> FlowMatchEulerDiscreteScheduler:
    """The folder's schedule; the official layout has none, and takes the 13B weights' shift."""
    if (folder / "scheduler").is_dir():
        return FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler")
    return FlowMatchEulerDiscreteScheduler(shift=HUNYUANVIDEO.shift)


def _defaults(folder: Path, pipe: VideoPipeline) -> ModelDefaults:
    """What the folder says; the shift is the scheduler's own setting, and guidance is for who embeds it."""
    told = read_defaults(folder, float(pipe.scheduler.config.shift))
    return told if pipe.transformer.config.guidance_embeds else dataclasses.replace(told, guidance=None)
