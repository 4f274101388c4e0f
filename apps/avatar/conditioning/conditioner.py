"""`AvatarConditioner`: the layers between an avatar's driving signals and the slots of `Conditioning`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn
from torch.nn import functional

from apps.avatar.conditioning.faces import mask_tokens
from foundation.models.stored import StoredModel
from foundation.models.transformer.conditioning import Conditioning, Context, TextConditioning
from foundation.models.transformer.cross_attention import inject_cross_attention
from foundation.models.transformer.embeddings import PatchProjection, VectorEmbedding, sinusoid
from foundation.models.transformer.model import VideoTransformer, widen_patch_embedding
from shared.errors import ConfigError

AUDIO, EXPRESSION = "audio", "expression"
"""Names of the injected cross-attention."""

STRENGTH_SCALE = 100.0
"""Motion strengths are multiplied by this before their sinusoid."""


@dataclass(frozen=True)
class FaceSignals:
    """What drives one face.

    Attributes:
        mask: (T, h, w) over video tokens, 0 to 1; None for the whole picture.
        audio: (B, T, S, L, D_a) hidden states of Whisper around every latent frame, or None.
        expression: (B, T, 4, D_e) expression vectors of every frame of a latent frame, or None.
        strength: factor on what the face's expression takes of its signals, 0 to 1.5.
    """

    mask: Tensor | None = None
    audio: Tensor | None = None
    expression: Tensor | None = None
    strength: float = 1.0


@dataclass(frozen=True)
class AvatarSignals:
    """What an avatar is made from, beside the prompt.

    Attributes:
        reference: (B, C, 1, H, W) normalised latents of the reference image.
        faces: one entry per face that is driven.
        pose: (B, C, T, H, W) normalised latents of the skeleton drawings, or None.
        motion: (B, 2) strength of the head's motion and of the expression, or None.
    """

    reference: Tensor
    faces: Sequence[FaceSignals] = field(default_factory=tuple)
    pose: Tensor | None = None
    motion: Tensor | None = None


class AudioProjector(nn.Module):
    """Whisper's hidden states around a latent frame to the audio tokens of that frame.

    Args:
        layers: L hidden states that are mixed, with learned weights.
        width: D_a of a hidden state.
        steps: S times per latent frame, a multiple of `tokens`.
        tokens: n tokens per latent frame.
        dim: D_c of a token.
    """

    def __init__(self, layers: int, width: int, steps: int, tokens: int, dim: int) -> None:
        super().__init__()
        if steps % tokens:
            raise ConfigError(f"audio steps {steps}: a multiple of the {tokens} audio tokens expected")
        self.tokens = tokens
        self.layer_weights = nn.Parameter(torch.zeros(layers))
        self.norm = nn.LayerNorm(width)
        self.embedding = VectorEmbedding(width * steps // tokens, dim)
        self.norm_out = nn.LayerNorm(dim)
        self.places = nn.Parameter(torch.zeros(tokens, dim))

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, S, L, D_a) -> (B, T, n, D_c)."""
        mixed = torch.einsum("btsld,l->btsd", states, self.layer_weights.softmax(0).to(states.dtype))
        grouped = self.norm(mixed).unflatten(2, (self.tokens, -1)).flatten(3)
        return self.norm_out(self.embedding(grouped)) + self.places


class ExpressionProjector(nn.Module):
    """The expression vectors of a latent frame's four frames to its expression tokens (16 in the paper)."""

    def __init__(self, width: int, tokens: int, dim: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.embedding = VectorEmbedding(4 * width, dim)
        self.spread = nn.Linear(dim, tokens * dim)
        self.norm_out = nn.LayerNorm(dim)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, T, 4, D_e) -> (B, T, n, D_c)."""
        hidden = functional.silu(self.embedding(vectors.flatten(2)))
        return self.norm_out(self.spread(hidden).unflatten(-1, (self.tokens, -1)))


class AvatarConditioner(StoredModel, ConfigMixin):
    """Turns `AvatarSignals` into a `Conditioning`: channels, tokens, modulation and contexts.

    Every path begins at zero, so that a widened text-to-video model starts as it was: the pose embedding and the
    motion embedding have zero outputs here, the injected cross-attention has them in the transformer.

    Args:
        hidden_size: D of the transformer.
        latent_channels: C.
        patch_size: of the transformer, in latents.
        context_dim: D_c of audio and expression tokens.
        audio_layers: L hidden states of Whisper; 0: no audio.
        audio_width: D_a.
        audio_steps: S times per latent frame.
        audio_tokens: n per latent frame.
        expression_width: D_e; 0: no expression.
        expression_tokens: n per latent frame.
        has_pose: whether there is a pose embedding.
    """

    _supports_gradient_checkpointing = False

    @register_to_config
    def __init__(
        self,
        hidden_size: int = 3072,
        latent_channels: int = 16,
        patch_size: int = 2,
        context_dim: int = 1024,
        audio_layers: int = 5,
        audio_width: int = 384,
        audio_steps: int = 16,
        audio_tokens: int = 16,
        expression_width: int = 512,
        expression_tokens: int = 16,
        has_pose: bool = True,
    ) -> None:
        super().__init__()
        self.audio = (
            AudioProjector(audio_layers, audio_width, audio_steps, audio_tokens, context_dim)
            if audio_layers
            else None
        )
        self.expression = (
            ExpressionProjector(expression_width, expression_tokens, context_dim)
            if expression_width
            else None
        )
        self.motion = VectorEmbedding(2 * 256, hidden_size) if audio_layers else None
        self.pose = None
        if has_pose:
            patch = (1, patch_size, patch_size)
            self.pose = PatchProjection(latent_channels, hidden_size, patch, patch, bias=False)
            nn.init.zeros_(self.pose.weight)
        if self.motion is not None:
            nn.init.zeros_(self.motion.linear_2.weight)
            nn.init.zeros_(self.motion.linear_2.bias)

    def forward(self, text: TextConditioning, signals: AvatarSignals, frames: int) -> Conditioning:
        """Fill the slots.

        Args:
            text: the encoded prompts.
            signals: what drives the avatar.
            frames: T latent frames of the clip.

        Raises:
            ConfigError: a signal that this conditioner has no layers for.
        """
        contexts: dict[str, tuple[Context, ...]] = {}
        for name in (AUDIO, EXPRESSION):
            found = tuple(
                self._context(name, face, frames) for face in signals.faces if getattr(face, name) is not None
            )
            if found:
                contexts[name] = found
        return Conditioning(
            text,
            channels=signals.reference.expand(-1, -1, frames, -1, -1),
            tokens=None if signals.pose is None else self._pose_tokens(signals.pose),
            modulation=None if signals.motion is None else self._modulation(signals.motion),
            contexts=contexts,
        )

    def _context(self, name: str, face: FaceSignals, frames: int) -> Context:
        projector: nn.Module = self._layers(name)
        tokens = projector(getattr(face, name).to(self.dtype))
        mask = None
        if face.mask is not None:
            mask = mask_tokens(face.mask.to(tokens), frames).expand(len(tokens), -1, -1)
        return Context(tokens, mask, face.strength)

    def _pose_tokens(self, latents: Tensor) -> Tensor:
        return self._layers("pose")(latents.to(self.dtype)).flatten(2).transpose(1, 2)

    def _modulation(self, motion: Tensor) -> Tensor:
        layers = self._layers("motion")
        signals = [sinusoid(strength * STRENGTH_SCALE) for strength in motion.unbind(1)]
        return layers(torch.cat(signals, dim=-1).to(self.dtype))

    def _layers(self, name: str) -> nn.Module:
        layers = getattr(self, name)
        if layers is None:
            raise ConfigError(
                f"these weights take no {name}: leave it out, or use weights that were trained with it"
            )
        return layers


def prepare_transformer(
    model: VideoTransformer,
    conditioner: AvatarConditioner,
    every: int = 2,
    names: Sequence[str] = (AUDIO, EXPRESSION),
) -> None:
    """Widen a text-to-video transformer for the reference and inject the conditioner's cross-attention.

    Args:
        model: changed in place; its output stays the same bit for bit until it is trained.
        conditioner: says how wide contexts are.
        every: K, each K-th block (double, then single) gets the layers.
        names: of the cross-attention.

    Raises:
        ConfigError: the model takes other channels already, or has such layers.
    """
    if model.config.in_channels != model.config.out_channels:
        raise ConfigError(
            f"the transformer takes {model.config.in_channels} channels already; "
            f"a text-to-video model with {model.config.out_channels} expected"
        )
    widen_patch_embedding(model, 2 * model.config.out_channels)
    blocks = range(0, len(model.transformer_blocks) + len(model.single_transformer_blocks), every)
    for name in names:
        if getattr(conditioner, name) is not None:
            inject_cross_attention(model, name, blocks, conditioner.config.context_dim)
