"""The video transformer and what it is told."""

from foundation.models.transformer.blocks import BlockContext, SingleBlock, Stream, VideoBlock, join
from foundation.models.transformer.conditioning import Conditioning, Context, TextConditioning
from foundation.models.transformer.cross_attention import inject_cross_attention
from foundation.models.transformer.model import VideoTransformer, widen_patch_embedding

__all__ = [
    "BlockContext",
    "Conditioning",
    "Context",
    "SingleBlock",
    "Stream",
    "TextConditioning",
    "VideoBlock",
    "VideoTransformer",
    "inject_cross_attention",
    "join",
    "widen_patch_embedding",
]
