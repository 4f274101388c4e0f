"""Text encoders from folders in diffusers' layout.

The released 8B folders and the starter's go through the same lines. Nothing is unpickled and no code of a
folder is run: safetensors only, transformers' own classes only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from foundation.checkpoints.tensors import read_tensors
from foundation.models.float8 import read_scaled
from foundation.models.text.encoder import CLIPPooledEncoder, MLLMEncoder, TextEncoder
from shared.errors import WeightsError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


NOT_LANGUAGE = ("vision_tower.", "vision_model.", "multi_modal_projector.")
"""Parts of keys that belong to what a LLaVA has beside its language model."""


def load_text_encoder(
    folder: Path | str, dtype: torch.dtype | None = None, device: str = "cpu"
) -> TextEncoder:
    """Both encoders and their tokenizers from one model folder.

    Args:
        folder: holds `text_encoder`, `tokenizer`, `text_encoder_2` and `tokenizer_2`.
        dtype: of the weights; None: as the folder has them.
        device: where the models go.

    Raises:
        WeightsError: a part is missing, incomplete, or of an architecture that is not a text encoder.
    """
    folder = Path(folder)
    mllm = MLLMEncoder(
        load_mllm(folder / "text_encoder", dtype).to(device), load_tokenizer(folder / "tokenizer")
    )
    clip = load_clip(folder / "text_encoder_2", dtype).to(device)
    return TextEncoder(mllm, CLIPPooledEncoder(clip, load_tokenizer(folder / "tokenizer_2")))


def load_tokenizer(folder: Path | str) -> "PreTrainedTokenizerBase":
    """A tokenizer that pads and cuts on the right.

    Raises:
        WeightsError: no tokenizer there.
    """
    from transformers import AutoTokenizer

    folder = _existing(folder, "tokenizer_config.json")
    try:
        return AutoTokenizer.from_pretrained(
            folder,
            padding_side="right",
            truncation_side="right",
            local_files_only=True,
            trust_remote_code=False,
        )
    except Exception as error:  # the tokenizers library raises nothing narrower for a damaged file
        raise WeightsError(f"{folder} holds no tokenizer that can be read: {first_line(error)}") from error


def load_mllm(
    folder: Path | str, dtype: torch.dtype | None = None, configuration: Path | None = None
) -> "PreTrainedModel":
    """The language model: LLaVA whole (I2V reads pictures through it), any other as its base decoder.

    Checkpoints saved as a causal LM (`model.layers...`) and as the base model (`layers...`) both load.

    Args:
        folder: of the model; or, where `configuration` is given, one file, of which the language model alone is read.
        dtype: of the weights; None: as stored.
        configuration: the folder whose `config.json` describes the file.
    """
    from transformers import MODEL_MAPPING, AutoConfig, AutoModel, LlavaForConditionalGeneration

    described = _existing(configuration or folder, "config.json")
    config = AutoConfig.from_pretrained(described, local_files_only=True)
    if configuration is not None:
        config = config.get_text_config()
        return _load_file(Path(folder), MODEL_MAPPING[type(config)], config, dtype)
    model = _load(
        LlavaForConditionalGeneration if config.model_type == "llava" else AutoModel, described, dtype
    )
    decoder = model.get_decoder()
    if not hasattr(decoder, "layers") or not hasattr(decoder, "norm"):
        raise WeightsError(f"{folder} holds a {type(model).__name__}, not a decoder-only language model")
    return model


def load_causal_lm(folder: Path | str, dtype: torch.dtype | None = None) -> "PreTrainedModel":
    """A language model with its output head: one that writes."""
    from transformers import AutoModelForCausalLM

    return _load(AutoModelForCausalLM, _existing(folder, "config.json"), dtype)


def load_clip(
    folder: Path | str, dtype: torch.dtype | None = None, configuration: Path | None = None
) -> "PreTrainedModel":
    """The text tower of CLIP; `configuration` as for `load_mllm`."""
    from transformers import CLIPTextConfig, CLIPTextModel

    described = _existing(configuration or folder, "config.json")
    if configuration is None:
        return _load(CLIPTextModel, described, dtype)
    config = CLIPTextConfig.from_pretrained(described, local_files_only=True)
    return _load_file(Path(folder), CLIPTextModel, config, dtype)


def load_image_encoder(folder: Path | str, dtype: torch.dtype | None = None) -> "PreTrainedModel":
    """The vision tower of CLIP, with its projection where the folder has one."""
    from transformers import AutoConfig, CLIPVisionModel, CLIPVisionModelWithProjection

    folder = _existing(folder, "config.json")
    named = AutoConfig.from_pretrained(folder, local_files_only=True).architectures or []
    alone = CLIPVisionModel.__name__ in named
    return _load(CLIPVisionModel if alone else CLIPVisionModelWithProjection, folder, dtype)


def load_t5(folder: Path | str, dtype: torch.dtype | None = None) -> "PreTrainedModel":
    """The encoder of a T5; a decoder in the same folder is left out."""
    from transformers import T5EncoderModel

    return _load(T5EncoderModel, _existing(folder, "config.json"), dtype)


def _load_file(file: Path, architecture: Any, config: Any, dtype: torch.dtype | None) -> "PreTrainedModel":
    """A text encoder of one safetensors file, as ComfyUI keeps it: names with any prefix, float8 with scales."""
    with torch.device("meta"):
        empty = architecture._from_config(config)
    shapes = {key: tuple(tensor.shape) for key, tensor in empty.state_dict().items()}
    tensors = read_scaled(read_tensors(file), dtype or torch.bfloat16)
    stored = {
        _without_prefix(key, shapes): tensor
        for key, tensor in tensors.items()
        if not any(part in key for part in NOT_LANGUAGE)
    }
    for key, shape in shapes.items():
        if key not in stored:
            raise WeightsError(f"{file} is no text encoder of this model's architecture: {key} is missing")
        there = tuple(stored[key].shape)
        if there != shape:
            raise WeightsError(
                f"{file} is no text encoder of this model's architecture: {key} has shape {there}, not {shape}"
            )
    weights = {key: stored[key] for key in shapes}
    model = architecture.from_pretrained(None, config=config, state_dict=weights, dtype=dtype or "auto")
    return model.eval().requires_grad_(False)


def _without_prefix(key: str, known: Mapping[str, Any]) -> str:
    """A file's key under the model's name for it; other programs and classes put their own in front."""
    parts = key.split(".")
    return next((name for cut in range(len(parts)) if (name := ".".join(parts[cut:])) in known), key)


def _load(architecture: Any, folder: Path, dtype: torch.dtype | None) -> "PreTrainedModel":
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        model, info = architecture.from_pretrained(
            folder,
            dtype=dtype or "auto",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{folder} cannot be loaded: {first_line(error)}") from error
    absent = sorted(info["missing_keys"])
    if absent:
        raise WeightsError(f"{folder} is incomplete: {len(absent)} tensors are missing, such as {absent[0]}")
    return model.eval().requires_grad_(False)


def _existing(folder: Path | str, file: str) -> Path:
    folder = Path(folder)
    if not (folder / file).is_file():
        raise WeightsError(f"{folder / file} is missing; a model folder in diffusers' layout is needed")
    return folder
