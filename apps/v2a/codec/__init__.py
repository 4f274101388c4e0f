"""The audio codec of video-to-audio: waveforms to latents and back."""

from shared.imports import lazily

_HOMES = {
    "Codec": "codec",
    "HiFiGanVocoder": "vocoder",
    "MelSpec": "mel_spec",
    "MelVAE": "mel_vae",
    "Vocoder": "vocoder",
    "VocosVocoder": "vocoder",
    "load_codec": "codec",
    "load_mel_vae": "codec",
    "load_vocoder": "vocoder",
    "log_mel": "mel",
}

__all__ = sorted(_HOMES)

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
