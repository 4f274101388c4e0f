"""The chat markup around a prompt, as data.

The language model is asked to describe what it reads; its hidden states over the prompt (and the end of the
user's turn) condition the video model, the template's own tokens are cropped away. The built-in strings are
facts of the released weights: the transformer was trained on states read under exactly these words. A model
folder may bring its own under the key `prompt_templates` of its `tokenizer_config.json`.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from shared.errors import WeightsError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TemplateKind = Literal["video", "image"]
FOLDER_KEY = "prompt_templates"
PLACE = "{}"


@dataclass(frozen=True)
class PromptTemplate:
    """Text with one `{}` where the prompt goes.

    Attributes:
        text: the markup, without the begin-of-text token that the tokenizer adds itself.
        max_length: tokens that remain at most after the crop (prompt and what follows it).
        crop_start: tokens before the prompt, begin-of-text included; what the tokenizer says must agree.
            None: counted.
    """

    text: str
    max_length: int = 256
    crop_start: int | None = None

    def __post_init__(self) -> None:
        if self.text.count(PLACE) != 1:
            raise WeightsError(f"prompt template holds {PLACE!r} {self.text.count(PLACE)} times, not once")

    @property
    def prefix(self) -> str:
        """The markup before the prompt."""
        return self.text.split(PLACE)[0]

    def render(self, prompt: str) -> str:
        """The prompt, stripped of outer white space, in its markup."""
        return self.text.replace(PLACE, prompt.strip())


@dataclass(frozen=True)
class PromptTemplates:
    """The template of a clip and that of a single picture."""

    video: PromptTemplate
    image: PromptTemplate

    def of(self, kind: TemplateKind) -> PromptTemplate:
        """The template for one kind of medium."""
        return self.video if kind == "video" else self.image

    def as_folder_value(self) -> dict[str, Any]:
        """What stands under `prompt_templates` in `tokenizer_config.json`."""
        return asdict(self)


_SYSTEM = "<|start_header_id|>system<|end_header_id|>\n\n"
_USER = "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"

HUNYUAN = PromptTemplates(
    video=PromptTemplate(
        text=_SYSTEM + "Describe the video by detailing the following aspects: "
        "1. The main content and theme of the video."
        "2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects."
        "3. Actions, events, behaviors temporal relationships, physical movement changes of the objects."
        "4. background environment, light, style and atmosphere."
        "5. camera angles, movements, and transitions used in the video:" + _USER,
        max_length=256,
        crop_start=95,
    ),
    image=PromptTemplate(
        text=_SYSTEM + "Describe the image by detailing the color, shape, size, texture, "
        "quantity, text, spatial relationships of the objects and background:" + _USER,
        max_length=315,
        crop_start=36,
    ),
)
"""Templates of the released weights. Both are cut at 351 tokens in all (95 + 256 and 36 + 315)."""


def templates_of(tokenizer: "PreTrainedTokenizerBase") -> PromptTemplates:
    """The templates that the tokenizer's folder brings, or else the built-in ones.

    Raises:
        WeightsError: the folder's value is not two templates.
    """
    value = tokenizer.init_kwargs.get(FOLDER_KEY)
    if value is None:
        return HUNYUAN
    try:
        return PromptTemplates(video=PromptTemplate(**value["video"]), image=PromptTemplate(**value["image"]))
    except (TypeError, KeyError) as error:
        raise WeightsError(
            f"{FOLDER_KEY} of the tokenizer is {value!r}; it must hold `video` and `image`, "
            "each with `text` and perhaps `max_length` and `crop_start`"
        ) from error


def prefix_length(template: PromptTemplate, tokenizer: "PreTrainedTokenizerBase") -> int:
    """Tokens before the prompt: the crop.

    Raises:
        WeightsError: the template's `crop_start` says another number, so tokenizer and template do not
            belong together.
    """
    counted = len(tokenizer(template.prefix, verbose=False)["input_ids"])
    if template.crop_start not in (None, counted):
        raise WeightsError(
            f"the prompt template is cropped after {template.crop_start} tokens, but this tokenizer makes "
            f"{counted} of it; use the tokenizer of the released weights or name `{FOLDER_KEY}` in the folder"
        )
    return counted
