"""Image-to-video: generate a clip that contains given images at given frames."""

from shared.imports import lazily

_HOMES = {
    "ImageToVideoPipeline": "pipeline",
    "ImageToVideoRequest": "request",
    "Pattern": "training.patterns",
    "condition_channels": "conditioning.channels",
    "draw_pattern": "training.patterns",
    "keyframe_channels": "conditioning.channels",
    "take_pictures": "conditioning.channels",
}

__all__ = sorted(_HOMES)

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
