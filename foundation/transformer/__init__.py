"""The video transformer and what it is told."""

from foundation.transformer.blocks import Side, SingleBlock, Stream, VideoBlock, join
from foundation.transformer.conditioning import Conditioning, Context, TextConditioning
from foundation.transformer.model import VideoTransformer, widen_patch_embedding

__all__ = [
    "Conditioning",
    "Context",
    "Side",
    "SingleBlock",
    "Stream",
    "TextConditioning",
    "VideoBlock",
    "VideoTransformer",
    "join",
    "widen_patch_embedding",
]
