"""Semantic image injection: the language model sees the picture, and its states stand before the prompt's.

The picture's tokens stand in the system's turn, so that the prompt is read in their light; every second or fourth
of their states is kept (facts of the released image-to-video weights).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from foundation.models.text.encoder import MLLMEncoder
from foundation.models.text.starter import ANSWER, HEADER_END, IMAGE, PICTURE_TEMPLATE
from foundation.models.text.templates import FOLDER_KEY, HUNYUAN, PromptTemplate, prefix_length
from shared.errors import WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADER_TOKENS = 4
"""What closes the user's turn and opens the assistant's, up to its blank line: not of the prompt, and left out."""

HUNYUAN_PICTURE = PromptTemplate(
    HUNYUAN.video.text.replace("\n\nDescribe", f"\n\n{IMAGE}\nDescribe")
    .replace("aspects:", "aspects according to the reference image:")
    .replace(":<|eot_id|>", ":<|eot_id|>\n\n")
    + ANSWER,
    max_length=256,
    crop_start=103,
)
"""The released weights' template; its `crop_start` counts the picture as one token."""


def picture_states(
    mllm: MLLMEncoder, processor: Any, prompt: str, picture: NDArray[np.uint8], stride: int
) -> tuple[Tensor, int]:
    """What the language model makes of a picture and a prompt.

    Args:
        mllm: a LLaVA with its tokenizer.
        processor: transformers' image processor that belongs to it.
        prompt: the words.
        picture: (H, W, 3) uint8, as the user gave it, not cut to the clip's size.
        stride: of the picture's states.

    Returns:
        (1, L, D) states, the picture's before the prompt's, and how many of the prompt's tokens were cut off.

    Raises:
        WeightsError: the language model has no eyes.
    """
    count = getattr(mllm.model.config, "image_seq_length", None)
    if count is None or processor is None:
        raise WeightsError("the text encoder sees no pictures: a LLaVA with its image processor is needed")
    template = picture_template(mllm.tokenizer)
    crop = prefix_length(template, mllm.tokenizer)
    whole = mllm.tokenizer(template.render(prompt), verbose=False)["input_ids"]
    ids = whole[: crop + template.max_length]
    image = mllm.tokenizer.convert_tokens_to_ids(IMAGE)
    at = ids.index(image)
    expanded = torch.tensor([ids[:at] + [image] * count + ids[at + 1 :]], device=mllm.model.device)
    pixels = processor(picture, return_tensors="pt").pixel_values.to(mllm.model.device, mllm.model.dtype)
    states = mllm.states(expanded, torch.ones_like(expanded), pixels)
    words = [place + count - 1 for place in _words(ids, crop, template, mllm.tokenizer)]
    return torch.cat([states[:, at : at + count : stride], states[:, words]], dim=1), len(whole) - len(ids)


def picture_template(tokenizer: Any) -> PromptTemplate:
    """The starter's template for its own tokenizer, the released weights' for any other."""
    return PICTURE_TEMPLATE if FOLDER_KEY in tokenizer.init_kwargs else HUNYUAN_PICTURE


def _words(ids: list[int], crop: int, template: PromptTemplate, tokenizer: Any) -> list[int]:
    """Places of the tokens whose states are kept: those after the crop, without the assistant's header."""
    if not template.text.endswith(ANSWER):
        return list(range(crop, len(ids)))
    mark = tokenizer.convert_tokens_to_ids(HEADER_END)
    headers = [place for place, token in enumerate(ids) if token == mark]
    stop = headers[-1] + 1 if len(headers) == template.text.count(HEADER_END) else len(ids)
    return [*range(crop, stop - HEADER_TOKENS), *range(stop, len(ids))]
