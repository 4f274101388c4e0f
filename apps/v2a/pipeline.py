"""Video-to-audio for people: a film, a prompt, or both become a `Soundtrack`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from torch import nn

from apps.v2a.checkpoints import (
    SoundDefaults,
    find_folder,
    load_image_processor,
    read_defaults,
    weight_files,
)
from apps.v2a.codec import Codec, load_codec
from apps.v2a.conditioning.captions import asked_for, not_asked_for
from apps.v2a.conditioning.encoders import Encoders, visual_encoders
from apps.v2a.conditioning.sampled_frames import SampledFrames, sample_frames
from apps.v2a.generator import Note, Sampling, SoundMaker
from apps.v2a.loudness import at_loudness
from apps.v2a.model.layout import AudioLayout
from apps.v2a.model.lora import load_loras
from apps.v2a.model.sync_encoder import SyncEncoder
from apps.v2a.model.text_encoder import SoundText
from apps.v2a.model.transformer import AudioTransformer
from foundation.checkpoints.hashes import files_sha256
from foundation.checkpoints.loading import load_folder
from foundation.checkpoints.lora.source import Lora, check_loras, describe_loras
from foundation.checkpoints.text_encoders import load_image_encoder, load_t5, load_tokenizer
from foundation.flow.sampler import OnStep
from foundation.runtime.device import choose_device, choose_dtype, describe
from foundation.runtime.memory import oom_hints
from shared.errors import InputError, WeightsError
from shared.media.sound import Sound
from shared.results.soundtrack import Soundtrack


class VideoToAudioPipeline(DiffusionPipeline):
    """Visual encoders, text encoder, transformer, and the codec."""

    model_cpu_offload_seq = "text_encoder->image_encoder->sync_encoder->transformer"

    def __init__(
        self,
        transformer: AudioTransformer,
        image_encoder: nn.Module,
        image_processor: Any,
        sync_encoder: SyncEncoder,
        text_encoder: nn.Module,
        tokenizer: Any,
        scheduler: FlowMatchEulerDiscreteScheduler,
    ) -> None:
        super().__init__()
        self.register_modules(
            transformer=transformer,
            image_encoder=image_encoder,
            image_processor=image_processor,
            sync_encoder=sync_encoder,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            scheduler=scheduler,
        )
        self.codec: Codec
        self.defaults = SoundDefaults()
        self.weights_sha256: dict[str, str] = {}
        self.lora: list[dict[str, Any]] = []

    @classmethod
    def from_pretrained(
        cls,
        model: str = "starter",
        lora: Sequence[Lora] = (),
        device: str = "auto",
        dtype: str = "auto",
        note: Note | None = None,
    ) -> Self:
        """Load a model by its registered name or its folder.

        Args:
            model: see `apps.v2a.checkpoints.find_folder`.
            lora: adapters on top of the transformer; their updates add up.
            device: where to run.
            dtype: of the transformer and the encoders; the codec runs in float32.
            note: told which layers of a LoRA found a place.

        Raises:
            WeightsError: a part or a LoRA is missing, damaged, or does not belong to the others.
            InputError: a device that is not here.
        """
        folder = find_folder(model)
        check_loras(lora)
        place = choose_device(device)
        precision = choose_dtype(dtype, place)
        defaults = read_defaults(folder)
        pipe = cls(
            transformer=load_folder(AudioTransformer, folder / "transformer", precision),
            image_encoder=load_image_encoder(folder / "image_encoder", precision),
            image_processor=load_image_processor(folder),
            sync_encoder=load_folder(SyncEncoder, folder / "sync_encoder", precision),
            text_encoder=load_t5(folder / "text_encoder", precision),
            tokenizer=load_tokenizer(folder / "tokenizer"),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=defaults.shift),
        )
        pipe.codec, pipe.defaults = load_codec(folder), defaults
        pipe.check_fit()
        if lora:
            load_loras(pipe.transformer, lora, note)
            pipe.lora = describe_loras(lora)
        pipe.weights_sha256 = files_sha256(weight_files(folder))
        pipe.codec.to(place)
        return pipe.to(place)

    @property
    def layout(self) -> AudioLayout:
        """Lengths and rates."""
        return self.defaults.layout

    @property
    def encoders(self) -> Encoders:
        """The frozen parts."""
        visual = visual_encoders(self.image_encoder, self.image_processor, self.sync_encoder, self.layout)
        return Encoders(visual, SoundText(self.text_encoder, self.tokenizer), self.codec, self.layout)

    @property
    def maker(self) -> SoundMaker:
        """The transformer with the parts around it."""
        return SoundMaker(self.transformer, self.encoders, self.defaults, self._execution_device)

    def check_fit(self) -> None:
        """Refuse parts that do not belong together.

        Raises:
            WeightsError: the line names what differs.
        """
        config, layout = self.transformer.config, self.layout
        visual = {name: encoder.width for name, encoder in self.encoders.visual.items()}
        pairs = {
            "latents": ((config.latent_channels, config.latent_bands), self.codec.latent_shape),
            "visual features": (dict(config.visual_dims or {}), visual),
            "text_embed_dim": (config.text_embed_dim, self.text_encoder.config.d_model),
        }
        for name, (wanted, there) in pairs.items():
            if wanted != there:
                raise WeightsError(
                    f"the transformer's {name}: {wanted} wanted, and the other parts have {there}"
                )
        rates = (self.codec.sample_rate, self.codec.latent_rate)
        if rates != (layout.sample_rate, layout.token_rate):
            raise WeightsError(
                f"the layout says {layout.sample_rate} samples and {layout.token_rate:g} tokens a second, and the "
                f"codec has {rates[0]} and {rates[1]:g}"
            )

    @torch.no_grad()
    def __call__(
        self,
        video: Path | str | SampledFrames | None,
        prompt: str = "",
        *,
        negative_prompt: str = "",
        music: bool = True,
        voice: bool = True,
        seconds: float | None = None,
        steps: int | None = None,
        seed: int = 0,
        cfg: float | None = None,
        shift: float | None = None,
        loudness: float | None = -16.0,
        on_step: OnStep | None = None,
        note: Note | None = None,
    ) -> Soundtrack:
        """Make one sound.

        Args:
            video: the film that it is for, or what encoders see of one; None makes a sound from words alone.
            prompt: what is heard; may be empty where there is a film.
            negative_prompt: what shall not be heard; read only where `cfg` is not 1.
            music: whether music may be heard.
            voice: whether somebody may speak.
            seconds: of a sound without a film; None: as long as the model's own.
            steps: of the sampler; None, here and below: the model folder's default.
            seed: of the noise, the same noise on every device.
            cfg: classifier-free guidance scale, 1 is off.
            shift: of the schedule.
            loudness: in LUFS; None leaves the sound as the model made it.
            on_step: progress, preview and cancellation, see `foundation.flow.sampler`.
            note: called with what is said aloud (a prompt that had to be cut).

        Returns:
            The sound, as long as the film to the sample, and what made it.

        Raises:
            InputError: neither film nor prompt, or a film that cannot be read.
            ConfigError: latents that stop being finite.
            ResourceError: memory runs out.
        """
        maker, layout = self.maker, self.layout
        path = Path(video) if isinstance(video, str | Path) else None
        film = sample_frames(path, maker.encoders.rates) if path is not None else video
        if film is None and not prompt.strip():
            raise InputError("give a film, or a prompt that says what is heard")
        length = film.seconds if isinstance(film, SampledFrames) else seconds or layout.window_seconds
        # A shorter sound is cut out of one of the length that the model knows.
        tokens = max(layout.tokens(length), layout.window)
        visual = maker.encoders.see(film, tokens) if isinstance(film, SampledFrames) else {}
        wanted = maker.conditions([visual], [asked_for(prompt, music, voice)], note)
        unwanted = maker.conditions([{}], [not_asked_for(negative_prompt, music, voice)])
        with oom_hints():
            noise = maker.noise([seed], tokens)
            latents = maker.denoise(wanted, unwanted, noise, Sampling(steps, cfg, shift), on_step)
            waveform = maker.to_waveforms(latents, layout.samples(length))
        if loudness is not None:
            waveform = at_loudness(waveform, layout.sample_rate, loudness)
        runtime = describe(self._execution_device, self.transformer.x_embedder.proj.weight.dtype)
        about = {"weights_sha256": self.weights_sha256, "runtime": runtime, "layout": asdict(layout)}
        metadata = {**about, "lora": self.lora} if self.lora else about
        return Soundtrack(Sound(waveform, layout.sample_rate), path, metadata=metadata)
