"""Text encoders from folders in diffusers' layout.

The released 8B folders and the starter's go through the same lines. Nothing is unpickled and no code of a
folder is run: safetensors only, transformers' own classes only.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from foundation.text.encoder import CLIPPooledEncoder, MLLMEncoder, TextEncoder
from shared.errors import WeightsError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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


def load_mllm(folder: Path | str, dtype: torch.dtype | None = None) -> "PreTrainedModel":
    """The language model: LLaVA whole (I2V reads pictures through it), any other as its base decoder.

    Checkpoints saved as a causal LM (`model.layers...`) and as the base model (`layers...`) both load.
    """
    from transformers import AutoConfig, AutoModel, LlavaForConditionalGeneration

    folder = _existing(folder, "config.json")
    is_llava = AutoConfig.from_pretrained(folder, local_files_only=True).model_type == "llava"
    model = _load(LlavaForConditionalGeneration if is_llava else AutoModel, folder, dtype)
    decoder = model.get_decoder()
    if not hasattr(decoder, "layers") or not hasattr(decoder, "norm"):
        raise WeightsError(f"{folder} holds a {type(model).__name__}, not a decoder-only language model")
    return model


def load_causal_lm(folder: Path | str, dtype: torch.dtype | None = None) -> "PreTrainedModel":
    """A language model with its output head: one that writes."""
    from transformers import AutoModelForCausalLM

    return _load(AutoModelForCausalLM, _existing(folder, "config.json"), dtype)


def load_clip(folder: Path | str, dtype: torch.dtype | None = None) -> "PreTrainedModel":
    """The text tower of CLIP."""
    from transformers import CLIPTextModel

    return _load(CLIPTextModel, _existing(folder, "config.json"), dtype)


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
