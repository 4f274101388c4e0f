"""Vocoders: log-mel spectrograms to waveforms, by Vocos or HiFi-GAN.

A vocoder owns its `MelSpec`. Folders of both kinds load as they were released: from the classes named here and no
others, and from tensors that nothing else is unpickled with. `mel.json` beside the weights says the spec, and how many
passes of `refined` follow; where it is missing the released convention holds, and none does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from safetensors.torch import save
from torch import Tensor, nn

from apps.v2a.codec.mel import MelSpec, refined
from foundation.checkpoints.tensors import read_tensors
from shared.errors import ConfigError, InputError, WeightsError, first_line
from shared.media.files import replacing

SPEC_FILE = "mel.json"
PASSES = "passes"
"""The key in it that is none of the spec's."""

MOST_PASSES = 100

VOCOS_CONFIG, HIFIGAN_CONFIG = "config.yaml", "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files that weights may be in, the preferred one first."""

VOCOS_FEATURES = "vocos.feature_extractors.MelSpectrogramFeatures"
VOCOS_BACKBONE = "vocos.models.VocosBackbone"
VOCOS_HEAD = "vocos.heads.ISTFTHead"
VOCOS_CONVENTION: dict[str, Any] = {
    "sample_rate": 24_000,
    "n_fft": 1024,
    "hop_length": 256,
    "n_mels": 100,
    "padding": "center",
}
"""What a Vocos folder means where its feature extractor leaves a number out."""

SPEECHT5 = MelSpec(16_000, 1024, 256, 80, 80.0, 7600.0, 1e-10, "decimal", "slaney", "center")
"""What SpeechT5's HiFi-GAN was trained on."""


class Vocoder(Protocol):
    """Turns spectrograms of its `spec` into sound."""

    spec: MelSpec

    def __call__(self, mel: Tensor) -> Tensor:
        """(B, T, n_mels), as `log_mel` gives it for `spec`, to (B, N), about [-1, 1], N `spec.samples(T)` or more."""
        ...

    def to(self, *args: Any, **kwargs: Any) -> Any: ...


class VocosVocoder(nn.Module):
    """Vocos (Siuzdak 2023): a ConvNeXt backbone that says magnitudes and phases of a short-time Fourier transform.

    Args:
        spec: of its spectrograms.
        backbone: arguments of `vocos.models.VocosBackbone`, but for the number of bands.
        passes: of `refined`, which follow on what it says but while it is trained.

    Raises:
        ConfigError: arguments that the classes do not take.
    """

    def __init__(self, spec: MelSpec, backbone: Mapping[str, Any], passes: int = 0) -> None:
        super().__init__()
        from vocos.heads import ISTFTHead
        from vocos.models import VocosBackbone

        self.spec, self.arguments, self.passes = spec, dict(backbone), passes
        try:
            self.backbone = VocosBackbone(input_channels=spec.n_mels, **backbone)
            self.head = ISTFTHead(self.arguments["dim"], spec.n_fft, spec.hop_length, spec.padding)
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigError(f"no Vocos backbone has {dict(backbone)}: {first_line(error)}") from error

    def forward(self, mel: Tensor) -> Tensor:
        """(B, T, n_mels) -> (B, N)."""
        states = self.backbone(mel.transpose(1, 2))  # (B, T, dim)
        # Phases want all the digits that they can get.
        with torch.autocast(mel.device.type, enabled=False):
            waveform = self.head(states.float())
        return _finished(self, waveform, mel)

    @classmethod
    def from_folder(cls, folder: Path) -> VocosVocoder:
        """Load `config.yaml` and the weights beside it.

        Raises:
            WeightsError: a file is missing or damaged, or keys and shapes do not fit.
            ConfigError: the configuration names a class other than those of a mel-based Vocos.
        """
        config = _read_vocos_config(folder / VOCOS_CONFIG)
        features, backbone, head = (config[name] for name in ("feature_extractor", "backbone", "head"))
        bands = backbone.pop("input_channels", None)
        stored, passes = _stored_spec(folder)
        spec = stored or _vocos_spec(features)
        wanted = {"dim": backbone.get("dim"), "n_fft": spec.n_fft, "hop_length": spec.hop_length}
        for key, value in {**wanted, "input_channels": spec.n_mels}.items():
            said = bands if key == "input_channels" else head.get(key)
            if said != value:
                raise ConfigError(
                    f"{folder / VOCOS_CONFIG} contradicts itself: {key} {said}, and elsewhere {value}"
                )
        model = cls(spec, backbone, passes)
        tensors = read_tensors(_weights_file(folder))
        own = {key: value for key, value in tensors.items() if not key.startswith("feature_extractor.")}
        _load(model, own, folder)
        return model

    def save_pretrained(self, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
        """Write the folder in Vocos's layout, each file whole or not at all."""
        head = {"dim": self.arguments["dim"]}
        head |= {key: getattr(self.spec, key) for key in ("n_fft", "hop_length", "padding")}
        spec = {key: getattr(self.spec, key) for key in VOCOS_CONVENTION}
        backbone = {"input_channels": self.spec.n_mels, **self.arguments}
        parts = {
            "feature_extractor": {"class_path": VOCOS_FEATURES, "init_args": spec},
            "backbone": {"class_path": VOCOS_BACKBONE, "init_args": backbone},
            "head": {"class_path": VOCOS_HEAD, "init_args": head},
        }
        text = yaml.safe_dump(parts, sort_keys=False)
        _save(folder, self, dtype, _about(self), VOCOS_CONFIG, text)


class HiFiGanVocoder(nn.Module):
    """HiFi-GAN (Kong, Kim and Bae 2020), which the paper uses, as transformers' `SpeechT5HifiGan`.

    Args:
        spec: of its spectrograms.
        config: arguments of `SpeechT5HifiGanConfig`.
        passes: as of `VocosVocoder`.

    Raises:
        ConfigError: a configuration that contradicts the spec.
    """

    def __init__(self, spec: MelSpec, config: Mapping[str, Any], passes: int = 0) -> None:
        super().__init__()
        from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

        self.spec, self.passes = spec, passes
        self.model = SpeechT5HifiGan(SpeechT5HifiGanConfig(**config))
        said = _hifigan_numbers(self.model.config)
        for key, value in said.items():
            if getattr(spec, key) != value:
                raise ConfigError(
                    f"HiFi-GAN of {key} {value} cannot take spectrograms of {getattr(spec, key)}"
                )

    def forward(self, mel: Tensor) -> Tensor:
        """(B, T, n_mels) -> (B, N), T hop_length samples or, once refined, `spec.samples(T)`."""
        return _finished(self, self.model(mel.to(self.model.conv_pre.weight.dtype)).float(), mel)

    @classmethod
    def from_folder(cls, folder: Path) -> HiFiGanVocoder:
        """Load `config.json` and the weights beside it.

        Raises:
            WeightsError: a file is missing or damaged, keys and shapes do not fit, or nothing says the spec.
            ConfigError: the configuration contradicts the spec.
        """
        from transformers import SpeechT5HifiGanConfig

        try:
            config = json.loads((folder / HIFIGAN_CONFIG).read_text())
            numbers = _hifigan_numbers(SpeechT5HifiGanConfig(**config))
        except (OSError, ValueError, TypeError) as error:
            raise WeightsError(f"{folder / HIFIGAN_CONFIG} cannot be read: {first_line(error)}") from error
        spec, passes = _stored_spec(folder)
        if spec is None and any(getattr(SPEECHT5, key) != value for key, value in numbers.items()):
            raise WeightsError(f"{folder} does not say which spectrograms it takes: put {SPEC_FILE} in it")
        model = cls(spec or SPEECHT5, config, passes)
        _load(model.model, read_tensors(_weights_file(folder)), folder)
        return model

    def save_pretrained(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write the folder in transformers' layout, each file whole or not at all."""
        _save(folder, self.model, dtype, _about(self), HIFIGAN_CONFIG, self.model.config.to_json_string())


def _finished(vocoder: VocosVocoder | HiFiGanVocoder, waveform: Tensor, mel: Tensor) -> Tensor:
    """What a vocoder says (B, N), after its passes where it is not trained."""
    if vocoder.training or not vocoder.passes:
        return waveform
    spec = vocoder.spec
    return refined(waveform[:, : spec.samples(mel.shape[1])], mel, spec, vocoder.passes)


def _about(vocoder: VocosVocoder | HiFiGanVocoder) -> dict[str, Any]:
    """What stands in `mel.json`."""
    passes = {PASSES: vocoder.passes} if vocoder.passes else {}
    return {**asdict(vocoder.spec), **passes}


def load_vocoder(folder: Path | str) -> VocosVocoder | HiFiGanVocoder:
    """The vocoder of a folder, told by its configuration, in evaluation mode and frozen.

    Raises:
        WeightsError: there is none, or it is damaged or of another kind.
        ConfigError: its configuration contradicts itself or names another class.
    """
    folder = Path(folder)
    if (folder / VOCOS_CONFIG).is_file():
        return VocosVocoder.from_folder(folder).eval().requires_grad_(False)
    if (folder / HIFIGAN_CONFIG).is_file():
        return HiFiGanVocoder.from_folder(folder).eval().requires_grad_(False)
    raise WeightsError(
        f"{folder} holds no vocoder: {VOCOS_CONFIG} (Vocos) or {HIFIGAN_CONFIG} (HiFi-GAN) is needed"
    )


def _read_vocos_config(path: Path) -> dict[str, dict[str, Any]]:
    """Part -> arguments of its class, once the classes are known to be those that are built here."""
    try:
        config = yaml.safe_load(path.read_text())
        parts = {name: config[name] for name in ("feature_extractor", "backbone", "head")}
        named = {name: part["class_path"] for name, part in parts.items()}
        arguments = {name: dict(part.get("init_args") or {}) for name, part in parts.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path} is no configuration of Vocos: {first_line(error)}") from error
    known = {"feature_extractor": VOCOS_FEATURES, "backbone": VOCOS_BACKBONE, "head": VOCOS_HEAD}
    for name, wanted in known.items():
        if named[name] != wanted:
            raise ConfigError(f"{path} names {str(named[name])[:80]!r} as its {name}: only {wanted} is built")
    return arguments


def _vocos_spec(features: Mapping[str, Any]) -> MelSpec:
    numbers = {**VOCOS_CONVENTION, **features}
    return MelSpec.from_mapping(
        {**numbers, "fmax": numbers["sample_rate"] / 2, "floor": 1e-7, "filters": "htk"}
    )


def _hifigan_numbers(config: Any) -> dict[str, int]:
    """What a HiFi-GAN's configuration says of its spectrograms."""
    return {
        "sample_rate": config.sampling_rate,
        "n_mels": config.model_in_dim,
        "hop_length": prod(config.upsample_rates),
    }


def _stored_spec(folder: Path) -> tuple[MelSpec | None, int]:
    """What `mel.json` says: the spec, and how many passes follow."""
    path = folder / SPEC_FILE
    if not path.is_file():
        return None, 0
    try:
        values = dict(json.loads(path.read_text()))
        passes = values.pop(PASSES, 0)
        if not isinstance(passes, int) or not 0 <= passes <= MOST_PASSES:
            raise ValueError(f"{PASSES} is {passes!r}: 0 to {MOST_PASSES} expected")
        return MelSpec.from_mapping(values), passes
    except (OSError, ValueError, TypeError, ConfigError) as error:
        raise WeightsError(f"{path} says no spectrogram: {first_line(error)}") from error


def _weights_file(folder: Path) -> Path:
    found = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    if not found:
        raise WeightsError(f"{folder} holds no weights: {' or '.join(WEIGHTS)} is needed")
    return found[0]


def _load(model: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    try:
        model.load_state_dict({key: value.float() for key, value in tensors.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"the weights in {folder} do not fit their configuration: {reason}") from error


def _save(
    folder: Path, model: nn.Module, dtype: torch.dtype, spec: Mapping[str, Any], name: str, config: str
) -> None:
    tensors = {key: value.detach().to(dtype).contiguous() for key, value in model.state_dict().items()}
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise InputError(f"a vocoder with weights that are no numbers is not written to {folder}")
    for file, text in ((name, config), (SPEC_FILE, json.dumps(spec, indent=1) + "\n")):
        with replacing(folder / file) as part:
            part.write_text(text)
    with replacing(folder / WEIGHTS[0]) as part:
        part.write_bytes(save(tensors))
