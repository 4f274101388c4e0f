"""Video-to-audio: a clip is given a sound that fits what happens in it."""

from shared.exports import lazily

_HOMES = {
    "AudioConditioning": "conditioning",
    "AudioLayout": "layout",
    "AudioTransformer": "model",
    "ConsistencyModel": "consistency",
    "SyncEncoder": "sync_encoder",
    "VideoToAudioPipeline": "pipeline",
    "VideoToAudioRequest": "request",
}

__all__ = sorted(_HOMES)

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
