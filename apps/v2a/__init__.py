"""Video-to-audio: generate audio that matches a video."""

from shared.imports import lazily

_HOMES = {
    "AudioConditioning": "model.conditioning",
    "AudioLayout": "model.layout",
    "AudioTransformer": "model.transformer",
    "ConsistencyModel": "model.consistency",
    "SyncEncoder": "model.sync_encoder",
    "VideoToAudioPipeline": "pipeline",
    "VideoToAudioRequest": "request",
}

__all__ = sorted(_HOMES)

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
