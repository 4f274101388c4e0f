"""Text in, `TextConditioning` out: chat template, language model, CLIP."""

from foundation.text.encoder import CLIPPooledEncoder, MLLMEncoder, TextEncoder
from foundation.text.loading import load_clip, load_mllm, load_text_encoder, load_tokenizer
from foundation.text.templates import HUNYUAN, PromptTemplate, PromptTemplates, templates_of

__all__ = [
    "HUNYUAN",
    "CLIPPooledEncoder",
    "MLLMEncoder",
    "PromptTemplate",
    "PromptTemplates",
    "TextEncoder",
    "load_clip",
    "load_mllm",
    "load_text_encoder",
    "load_tokenizer",
    "templates_of",
]
