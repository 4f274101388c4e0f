"""Layers of the causal 3D VAE (paper section 4.1). Names of parameters are diffusers' and the official ones."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NormType = Literal["group", "rms"]
Size3 = tuple[int, int, int]


class CausalConv3d(nn.Module):
    """3D convolution whose output at a frame depends on that frame and earlier ones only.

    Space is padded evenly and time in front alone, all by replicating the border.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int | Size3 = 1
    ) -> None:
        super().__init__()
        space, time = kernel_size // 2, kernel_size - 1
        self.padding = (space, space, space, space, time, 0)
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size, stride)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C', F', H', W')."""
        return self.conv(replicate_border(hidden_states, self.padding))


def replicate_border(hidden_states: Tensor, padding: Sequence[int]) -> Tensor:
    """Pad (B, C, F, H, W) by its border; `padding` is `torch.nn.functional.pad`'s."""
    if not any(padding):
        return hidden_states
    # Autocast on a CPU would copy the clip to float32 for this and back for the convolution.
    with torch.autocast(hidden_states.device.type, enabled=False):
        return F.pad(hidden_states, tuple(padding), mode="replicate")


class ChannelRMSNorm(nn.Module):
    """Root-mean-square norm over channels, position by position: no statistics cross time or space."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape."""
        norm = torch.linalg.vector_norm(hidden_states, dim=1, keepdim=True, dtype=torch.float32)
        scale = torch.rsqrt(norm.square() / hidden_states.shape[1] + self.eps).to(hidden_states.dtype)
        weight = self.weight.to(hidden_states.dtype).view(-1, *[1] * (hidden_states.ndim - 2))
        return hidden_states * scale * weight


def make_norm(norm_type: NormType, channels: int, groups: int) -> nn.Module:
    """`group` is the released weights' norm, with statistics over the whole clip; `rms` is strictly causal."""
    if norm_type == "group":
        return nn.GroupNorm(groups, channels, eps=1e-6)
    return ChannelRMSNorm(channels)


class ResnetBlock(nn.Module):
    """norm, SiLU, conv, norm, SiLU, conv, plus the input (through a 1x1x1 convolution where widths differ)."""

    def __init__(self, in_channels: int, out_channels: int, norm_type: NormType, groups: int) -> None:
        super().__init__()
        self.norm1 = make_norm(norm_type, in_channels, groups)
        self.conv1 = CausalConv3d(in_channels, out_channels)
        self.norm2 = make_norm(norm_type, out_channels, groups)
        self.conv2 = CausalConv3d(out_channels, out_channels)
        self.conv_shortcut = (
            CausalConv3d(in_channels, out_channels, kernel_size=1) if in_channels != out_channels else None
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C', F, H, W)."""
        update = _activate_and_convolve(
            _activate_and_convolve(hidden_states, self.norm1, self.conv1), self.norm2, self.conv2
        )
        update += hidden_states if self.conv_shortcut is None else self.conv_shortcut(hidden_states)
        return update


def _activate_and_convolve(hidden_states: Tensor, norm: nn.Module, convolution: CausalConv3d) -> Tensor:
    """norm, SiLU, conv; what is no longer needed is let go of before the convolution claims its memory."""
    activated = F.silu(norm(hidden_states), inplace=not torch.is_grad_enabled())
    del hidden_states
    padded = replicate_border(activated, convolution.padding)
    del activated
    return convolution.conv(padded)


class Downsample(nn.Module):
    """A strided causal convolution."""

    def __init__(self, channels: int, stride: Size3) -> None:
        super().__init__()
        self.conv = CausalConv3d(channels, channels, stride=stride)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C, ceil(F / s_t), H / s_h, W / s_w)."""
        return self.conv(hidden_states)


ONCE = torch.eye(3)[:, None]
TWICE_EARLY = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
TWICE_LATE = TWICE_EARLY.flip(1)
"""On which neighbour (last axis) each of three taps falls, for every place of an output in its cell (second axis).

Where each value stands once there is one place with three neighbours; where it stands twice, two with two.
"""


class StretchedConv3d(nn.Conv3d):
    """A 3x3x3 convolution of a clip whose values were repeated, computed on the clip itself.

    Three taps over repeated values are two taps over the values, with the weights of equal values added up. So a clip
    that is stretched twofold on every axis takes 8 products for an output where 27 would run over equal values.
    """

    def __init__(self, channels: int, factor: Size3) -> None:
        super().__init__(channels, channels, kernel_size=3)
        self.factor = factor

    def forward(self, input: Tensor) -> Tensor:
        """Padded (B, C, F + 1, H + 2, W + 2) to (B, C, F f_t, H f_h, W f_w); F + 2 where time is not stretched."""
        frames = [self._frames(input, time) for time in range(self.factor[0])]
        return interleave(frames, 1).permute(0, 4, 1, 2, 3)

    def _frames(self, input: Tensor, time: int) -> Tensor:
        """(B, F, H f_h, W f_w, C): the frames at one place of their cells."""
        _, rows, columns = self.factor
        kernels = self._kernels(time)
        height, width = input.shape[3] - 2, input.shape[4] - 2
        # Two neighbours in space are to the left of an even output and to the right of an odd one.
        lines = []
        for row in range(rows):
            near = input.narrow(3, row, height + kernels.shape[5] - 1)
            places = [
                F.conv3d(
                    near.narrow(4, column, width + kernels.shape[6] - 1),
                    kernels[:, :, row, column],
                    self.bias,
                ).permute(0, 2, 3, 4, 1)
                for column in range(columns)
            ]
            lines.append(interleave(places, 3))
        return interleave(lines, 2)

    def _kernels(self, time: int) -> Tensor:
        """(C, C, f_h, f_w, ...): the kernels of the outputs at one place in time, by their places in space."""
        frames, rows, columns = (
            table if factor == 2 else ONCE
            for table, factor in zip((TWICE_LATE, TWICE_EARLY, TWICE_EARLY), self.factor, strict=True)
        )
        falls = torch.einsum("ax,bhy,cwz->abchwxyz", frames[:, time], rows, columns).to(self.weight.device)
        kernels = self.weight.float().flatten(2) @ falls.flatten(0, 2).flatten(1)
        return kernels.unflatten(2, falls.shape[3:]).to(self.weight.dtype)


def interleave(parts: Sequence[Tensor], axis: int) -> Tensor:
    """One tensor whose positions along an axis come from each part in turn."""
    return parts[0] if len(parts) == 1 else torch.stack(list(parts), axis + 1).flatten(axis, axis + 1)


class Upsample(nn.Module):
    """Nearest-neighbour upsampling and a causal convolution; the first frame is stretched in space alone."""

    def __init__(self, channels: int, factor: Size3) -> None:
        super().__init__()
        self.conv = nn.ModuleDict({"conv": StretchedConv3d(channels, factor)})  # under the released name
        self.stretches_time = factor[0] > 1
        self.padding = (1, 1, 1, 1, 1 if self.stretches_time else 2, 0)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C, 1 + (F - 1) f_t, H f_h, W f_w)."""
        stretched = self.conv["conv"](replicate_border(hidden_states, self.padding))
        return stretched[:, :, 1:] if self.stretches_time else stretched


class CausalAttention(nn.Module):
    """One head over all positions of a clip; a position sees its own frame and earlier ones."""

    def __init__(self, channels: int, norm_type: NormType, groups: int) -> None:
        super().__init__()
        self.group_norm = make_norm(norm_type, channels, groups)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, F, H, W) -> the same shape. Frame by frame, so that no (FHW)^2 mask is ever built."""
        frames, height, width = hidden_states.shape[2:]
        tokens = self.group_norm(hidden_states).permute(0, 2, 3, 4, 1).flatten(1, 3)  # (B, F*H*W, C)
        query, key, value = self.to_q(tokens), self.to_k(tokens), self.to_v(tokens)
        area = height * width
        attended = torch.cat(
            [
                F.scaled_dot_product_attention(
                    query[:, None, i * area : (i + 1) * area],
                    key[:, None, : (i + 1) * area],
                    value[:, None, : (i + 1) * area],
                )[:, 0]
                for i in range(frames)
            ],
            dim=1,
        )
        out = self.to_out[0](attended).unflatten(1, (frames, height, width)).permute(0, 4, 1, 2, 3)
        return hidden_states + out


class MidBlock(nn.Module):
    """resnet, attention (optional), resnet at the lowest resolution."""

    def __init__(self, channels: int, norm_type: NormType, groups: int, add_attention: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([ResnetBlock(channels, channels, norm_type, groups) for _ in range(2)])
        self.attentions = nn.ModuleList(
            [CausalAttention(channels, norm_type, groups)] if add_attention else []
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, F, H, W) -> the same shape."""
        hidden_states = self.resnets[0](hidden_states)
        for attention in self.attentions:
            hidden_states = attention(hidden_states)
        return self.resnets[1](hidden_states)


def residual_blocks(
    channels: tuple[int, int], layers: int, norm_type: NormType, groups: int
) -> nn.ModuleList:
    """`layers` residual blocks, of which the first changes the width."""
    widths = [channels[0]] + [channels[1]] * layers
    return nn.ModuleList([ResnetBlock(a, b, norm_type, groups) for a, b in pairwise(widths)])


class DownBlock(nn.Module):
    """Residual blocks, then a downsampling convolution where `stride` asks for one."""

    def __init__(
        self, channels: tuple[int, int], layers: int, norm_type: NormType, groups: int, stride: Size3
    ) -> None:
        super().__init__()
        self.resnets = residual_blocks(channels, layers, norm_type, groups)
        self.downsamplers = nn.ModuleList([Downsample(channels[1], stride)]) if max(stride) > 1 else None

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C', F', H', W')."""
        for layer in [*self.resnets, *(self.downsamplers or [])]:
            hidden_states = layer(hidden_states)
        return hidden_states


class UpBlock(nn.Module):
    """Residual blocks, then an upsampling convolution where `factor` asks for one."""

    def __init__(
        self, channels: tuple[int, int], layers: int, norm_type: NormType, groups: int, factor: Size3
    ) -> None:
        super().__init__()
        self.resnets = residual_blocks(channels, layers, norm_type, groups)
        self.upsamplers = nn.ModuleList([Upsample(channels[1], factor)]) if max(factor) > 1 else None

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C', F', H', W')."""
        for layer in [*self.resnets, *(self.upsamplers or [])]:
            hidden_states = layer(hidden_states)
        return hidden_states
