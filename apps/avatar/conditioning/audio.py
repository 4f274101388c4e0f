"""Speech as Whisper's encoder hears it: the hidden states of any length of audio.

openai-whisper's classes run; their weights come from a `.pt` file of that package or from a Hugging Face folder, whose
names a declared map translates. Source: HunyuanVideo, arXiv 2412.03603, section "Audio-Driven".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from whisper.audio import HOP_LENGTH, SAMPLE_RATE, log_mel_spectrogram
from whisper.model import AudioEncoder

from foundation.checkpoints.pickles import check_pickle
from shared.errors import InputError, WeightsError

FEATURE_RATE = SAMPLE_RATE / HOP_LENGTH / 2
"""Hidden states per second: two spectrogram frames each."""

OVERLAP = 0.125
"""Share of a window that is encoded for its neighbours' sake, at each end."""

FROM_HUGGING_FACE = (
    (r"^(model\.)?encoder\.", ""),
    (r"^layers\.", "blocks."),
    (r"\.self_attn\.q_proj\.", ".attn.query."),
    (r"\.self_attn\.k_proj\.", ".attn.key."),
    (r"\.self_attn\.v_proj\.", ".attn.value."),
    (r"\.self_attn\.out_proj\.", ".attn.out."),
    (r"\.self_attn_layer_norm\.", ".attn_ln."),
    (r"\.fc1\.", ".mlp.0."),
    (r"\.fc2\.", ".mlp.2."),
    (r"\.final_layer_norm\.", ".mlp_ln."),
    (r"^layer_norm\.", "ln_post."),
    (r"^embed_positions\.weight$", "positional_embedding"),
)
"""Parts of a Hugging Face encoder's parameter names, and what they are called in openai-whisper."""


def openai_name(name: str) -> str:
    """The openai-whisper name of a parameter of Hugging Face's `WhisperEncoder`."""
    for pattern, other in FROM_HUGGING_FACE:
        name = re.sub(pattern, other, name)
    return name


class WhisperFeatures:
    """All hidden states of an audio of any length.

    Audio longer than the encoder's window is encoded in overlapping windows, of which the middles are kept.

    Args:
        encoder: openai-whisper's encoder.
        layers: which hidden states are given, from 0 (the embedding) to the number of blocks; None: all.
    """

    def __init__(self, encoder: AudioEncoder, layers: tuple[int, ...] | None = None) -> None:
        count = len(list(encoder.blocks)) + 1
        chosen = tuple(range(count)) if layers is None else layers
        if not chosen or not all(0 <= layer < count for layer in chosen):
            raise InputError(f"layers {chosen}: numbers from 0 to {count - 1} expected")
        self.encoder, self.layers = encoder.eval().requires_grad_(False), chosen
        self.positions = encoder.get_buffer("positional_embedding")  # (window, width)

    @property
    def width(self) -> int:
        """Width of a hidden state."""
        return self.positions.shape[1]

    @property
    def window(self) -> int:
        """Hidden states of one pass."""
        return self.positions.shape[0]

    @torch.no_grad()
    def __call__(self, audio: NDArray[np.float32]) -> Tensor:
        """Hidden states of mono audio.

        Args:
            audio: (N,) float32 in [-1, 1] at 16 kHz.

        Returns:
            (ceil(N / 320), layers, width) float32, `FEATURE_RATE` a second.

        Raises:
            InputError: no sample, more than one channel, or a sample that is not finite.
        """
        if audio.ndim != 1 or not len(audio):
            raise InputError(f"audio of shape {audio.shape}: mono samples (N,) expected, N from 1")
        if not np.isfinite(audio).all():
            raise InputError("audio holds a sample that is not finite")
        count = -(-len(audio) // (2 * HOP_LENGTH))
        samples = torch.from_numpy(audio).to(self.encoder.conv1.weight.device, torch.float32)
        bands = self.encoder.conv1.in_channels
        margin = round(OVERLAP * self.window)
        parts = []
        for start in range(0, count, self.window - 2 * margin):
            first = start - margin
            mel = log_mel_spectrogram(self._cut(samples, first), bands)
            states = self._hidden_states(mel[None])
            parts.append(states[margin : self.window - margin])
        return torch.cat(parts)[:count]

    def _cut(self, samples: Tensor, first: int) -> Tensor:
        """The samples of one window that begins at a hidden state, silence outside."""
        step = 2 * HOP_LENGTH
        begin, end = first * step, (first + self.window) * step
        inside = samples[max(begin, 0) : max(end, 0)]
        return functional.pad(inside, (max(-begin, 0), end - max(begin, 0) - len(inside)))

    def _hidden_states(self, mel: Tensor) -> Tensor:
        """(1, bands, 2 window) -> (window, layers, width)."""
        encoder = self.encoder
        mel = mel.to(encoder.conv1.weight.dtype)
        hidden = functional.gelu(encoder.conv2(functional.gelu(encoder.conv1(mel)))).transpose(1, 2)
        hidden = hidden + self.positions.to(hidden.dtype)
        states = [hidden]
        for block in encoder.blocks:
            hidden = block(hidden)
            states.append(hidden)
        states[-1] = encoder.ln_post(states[-1])
        return torch.stack([states[layer][0] for layer in self.layers], dim=1).float()


def load_whisper(path: Path, layers: tuple[int, ...] | None = None) -> WhisperFeatures:
    """The encoder of a Whisper model.

    Args:
        path: a `.pt` file of openai-whisper, or a Hugging Face folder with `config.json` and `model.safetensors`.
        layers: see `WhisperFeatures`.

    Raises:
        WeightsError: nothing there, or no Whisper encoder in it; the line names the file.
    """
    config, state = _read_file(path) if path.is_file() else _read_folder(path)
    try:
        with torch.device("meta"):
            encoder = AudioEncoder(**config)
        encoder.load_state_dict(state, strict=True, assign=True)
    except (RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} holds no Whisper encoder: {str(error).splitlines()[0]}") from error
    return WhisperFeatures(encoder.float(), layers)


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    check_pickle(path)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        dims, state = stored["dims"], stored["model_state_dict"]
        config = {
            key: int(dims[f"n_audio_{key.removeprefix('n_')}"])
            for key in ("n_ctx", "n_state", "n_head", "n_layer")
        }
        config["n_mels"] = int(dims["n_mels"])
    except Exception as error:
        raise WeightsError(f"{path} is no Whisper model of openai-whisper: {type(error).__name__}") from error
    prefix = "encoder."
    return config, {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def _read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        said: Mapping[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = {
            "n_mels": int(said["num_mel_bins"]),
            "n_ctx": int(said["max_source_positions"]),
            "n_state": int(said["d_model"]),
            "n_head": int(said["encoder_attention_heads"]),
            "n_layer": int(said["encoder_layers"]),
        }
        stored = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise WeightsError(
            f"{folder} holds no Whisper model: {Path(str(error.filename)).name} is missing"
        ) from error
    except Exception as error:
        raise WeightsError(f"{folder} cannot be read as a Whisper model: {error}") from error
    inner = {
        name: value
        for name, value in stored.items()
        if not re.match(r"^(model\.)?decoder\.|^proj_out\.", name)
    }
    return config, {openai_name(name): value for name, value in inner.items()}
