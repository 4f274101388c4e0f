"""Image-to-video: given pictures, and a prompt, become a clip that shows them where they belong."""

from shared.exports import lazily

_HOMES = {
    "ImageToVideoPipeline": "pipeline",
    "ImageToVideoRequest": "request",
    "Pattern": "patterns",
    "condition_channels": "conditions",
    "draw_pattern": "patterns",
    "keyframe_channels": "conditions",
    "take_pictures": "conditions",
}

__all__ = sorted(_HOMES)

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
