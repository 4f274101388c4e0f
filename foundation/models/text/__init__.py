"""Text in, `TextConditioning` out: chat template, language model, CLIP."""

from foundation.models.text.encoder import CLIPPooledEncoder, MLLMEncoder, TextEncoder
from foundation.models.text.templates import HUNYUAN, PromptTemplate, PromptTemplates, templates_of

__all__ = [
    "HUNYUAN",
    "CLIPPooledEncoder",
    "MLLMEncoder",
    "PromptTemplate",
    "PromptTemplates",
    "TextEncoder",
    "templates_of",
]
