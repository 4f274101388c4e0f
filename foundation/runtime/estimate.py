"""How much memory a run takes, from the files' headers and the clip's size alone: no torch, nothing is allocated.

The bound holds these terms, in bytes; `b` is the width of a number in the run's precision:

| term | formula |
|---|---|
| weights | numbers of a part x b; 8-bit files and `quantise` stay at their own width; the VAE is float32 on a CPU |
| activations | tokens x width x `ACTIVATION_MAPS` x b, for one pass of the transformer (passes follow one another) |
| tile | pixels of one decoded tile x channels per pixel at full size x `TILE_MAPS` x b |
| frames | pixels of the clip x 3 x `FRAME_COPIES` x 4: tiles, blended rows, and the way from float to uint8 |
| program | `PROGRAM`: libraries, or the GPU's context |

A clip of W x H pixels and F frames has (W / 8p) x (H / 8p) x ((F - 1) / 4 + 1) video tokens at a patch of p.
Which weights are there at a stage follows from `offload`: all of them; those of the stage's part; or two blocks
of the transformer, one layer of the language model, and the small parts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.models.geometry import FRAME_STRIDE
from foundation.runtime.settings import RuntimeSettings
from shared.config import Size

if TYPE_CHECKING:
    from foundation.checkpoints.registry import ModelParts

LATENT_PIXELS = 8
"""Pixels a side per latent."""

TEXT_TOKENS = 256
ACTIVATION_MAPS = 16
"""Tensors of (tokens, width) that one block holds at once, its widened MLP counted by its width."""

TILE_MAPS = 4
"""Feature maps of the decoder's widest layer at full size that are there at once."""

FRAME_COPIES = 5
TILE_PIXELS, TILE_FRAMES = 256, 65
PROGRAM = 2**30
PREFETCHED_BLOCKS = 2
FLOAT, HALF = 4, 2
QUANTISED_BYTES = {"float8": 1.0, "int8": 1.0, "int4": 0.5}
LARGEST_HEADER = 100_000_000
"""Bytes; safetensors itself reads no larger one."""

RELEASED_WIDTH, RELEASED_PATCH, RELEASED_CHANNELS, RELEASED_BLOCK = 3072, 2, 256.0, 2 / 80
"""Of the 13B weights, for files whose header holds no shapes (`.pt`, GGUF)."""

_BLOCK = re.compile(r"(?:.*\.)?(?:double_|single_|transformer_|up_)?(?:blocks|layers)\.\d+\.")


@dataclass(frozen=True)
class PartMemory:
    """The weights of one part.

    Attributes:
        numbers: of 16 bits or more in the file, which are cast to the run's precision.
        fixed: bytes that stay as they are in the file.
        block: share of the part's weights in its largest block, 0 to 1.
    """

    numbers: int
    fixed: int
    block: float

    def bytes(self, width: float) -> float:
        """Bytes at a number's width."""
        return self.numbers * width + self.fixed


@dataclass(frozen=True)
class ModelMemory:
    """What decides over a model's memory.

    Attributes:
        parts: weights by part: `transformer`, `vae`, `text_encoder`, `text_encoder_2`.
        width: of the transformer.
        patch: latents a side per token.
        channels: of the decoder's widest layer at full size, per pixel.
    """

    parts: Mapping[str, PartMemory]
    width: int
    patch: int
    channels: float


RELEASED_MODEL = ModelMemory(
    {
        "transformer": PartMemory(12_821_000_000, 0, RELEASED_BLOCK),
        "vae": PartMemory(246_000_000, 0, 1 / 4),
        "text_encoder": PartMemory(8_030_000_000, 0, 1 / 33),
        "text_encoder_2": PartMemory(123_000_000, 0, 1 / 13),
    },
    RELEASED_WIDTH,
    RELEASED_PATCH,
    RELEASED_CHANNELS,
)
"""The 13B weights, for who has not fetched them yet."""


@dataclass(frozen=True)
class Clip:
    """The size and length of a clip: pixels and frames."""

    size: Size
    frames: int

    @property
    def pixels(self) -> int:
        """Of all frames."""
        return self.size.width * self.size.height * self.frames

    def __str__(self) -> str:
        return f"{self.size} with {self.frames} frame{'s' if self.frames > 1 else ''}"


@dataclass(frozen=True)
class Estimate:
    """Bytes that a run takes in each of its stages, on the device that it runs on."""

    text: float
    denoise: float
    decode: float

    @property
    def peak(self) -> float:
        """The most that is taken at once."""
        return max(self.text, self.denoise, self.decode)


def read_model(parts: ModelParts) -> ModelMemory:
    """What the headers of a model's files tell; files without one count by their size, at the 13B weights' shape."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    memory: dict[str, PartMemory] = {}
    for name, file in parts.weights().items():
        part = name.split("/")[0]
        part = "transformer" if part == "adapter" else part
        header = _read_header(file)
        told = _part_memory(header, file)
        before = memory.get(part, PartMemory(0, 0, 0.0))
        memory[part] = PartMemory(
            before.numbers + told.numbers, before.fixed + told.fixed, max(before.block, told.block)
        )
        shapes.setdefault(part, {}).update({key: shape for key, (shape, _) in header.items()})
    width, patch = _transformer_shape(shapes.get("transformer", {}))
    return ModelMemory(memory, width, patch, _decoder_channels(shapes.get("vae", {})))


def estimate(model: ModelMemory, clip: Clip, settings: RuntimeSettings, gpu: bool) -> Estimate:
    """The memory of one clip.

    Args:
        model: what is run.
        clip: what is made.
        settings: the machine's side: dtype, offload, quantise, tiling.
        gpu: whether it runs on a GPU; then its own memory is meant.
    """
    width = {"auto": HALF if gpu else FLOAT, "float32": FLOAT}.get(settings.dtype, HALF)
    vae_width = width if gpu else FLOAT
    weights = {name: part.bytes(vae_width if name == "vae" else width) for name, part in model.parts.items()}
    if settings.quantise != "none" and "transformer" in weights:
        weights["transformer"] = model.parts["transformer"].bytes(QUANTISED_BYTES[settings.quantise])
    side = LATENT_PIXELS * model.patch
    tokens = (clip.size.width / side) * (clip.size.height / side) * ((clip.frames - 1) / FRAME_STRIDE + 1)
    activations = (tokens + TEXT_TOKENS) * model.width * ACTIVATION_MAPS * width
    tile = clip.pixels
    if settings.tiling:
        tile = min(clip.size.width, TILE_PIXELS) * min(clip.size.height, TILE_PIXELS)
        tile *= min(clip.frames, TILE_FRAMES)
    decoded = tile * model.channels * TILE_MAPS * vae_width + clip.pixels * 3 * FRAME_COPIES * FLOAT
    return Estimate(
        text=PROGRAM + _held(model, weights, settings.offload, "text_encoder"),
        denoise=PROGRAM + _held(model, weights, settings.offload, "transformer") + activations,
        decode=PROGRAM + _held(model, weights, settings.offload, "vae") + decoded,
    )


def _held(model: ModelMemory, weights: Mapping[str, float], offload: str, stage: str) -> float:
    """Bytes of the weights that are there while a part runs."""
    if offload == "none":
        return sum(weights.values())
    if offload == "model":
        return weights.get(stage, 0)
    small = sum(weights.get(name, 0) for name in ("vae", "text_encoder_2"))
    share = model.parts[stage].block * PREFETCHED_BLOCKS if stage in model.parts else 0
    return small + (0 if stage == "vae" else weights.get(stage, 0) * min(share, 1))


def _part_memory(header: Mapping[str, tuple[tuple[int, ...], str]], file: Path) -> PartMemory:
    if not header:
        size = file.stat().st_size if file.is_file() else 0
        quantised = file.suffix == ".gguf"
        return PartMemory(0 if quantised else size // HALF, size if quantised else 0, RELEASED_BLOCK)
    counts = {key: math.prod(shape) for key, (shape, _) in header.items()}
    fixed = sum(counts[key] for key, (_, kind) in header.items() if kind.startswith(("F8", "I8", "U8")))
    blocks: dict[str, int] = {}
    for key, count in counts.items():
        found = _BLOCK.match(key)
        if found is not None:
            blocks[found[0]] = blocks.get(found[0], 0) + count
    total = sum(counts.values())
    return PartMemory(total - fixed, fixed, max(blocks.values(), default=total) / max(total, 1))


def _transformer_shape(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """Width and patch, by the patch embedding's kernel (width, channels, t, p, p)."""
    for key, shape in shapes.items():
        if key.endswith(("x_embedder.proj.weight", "img_in.proj.weight")) and len(shape) == 5:
            return shape[0], max(shape[-1], 1)
    return RELEASED_WIDTH, RELEASED_PATCH


def _decoder_channels(shapes: Mapping[str, tuple[int, ...]]) -> float:
    """Channels per pixel of what enters the decoder's last block; pixels may be folded into channels."""
    first = {
        int(found[1]): shape[1]
        for key, shape in shapes.items()
        if (found := re.search(r"decoder\.up_blocks\.(\d+)\.resnets\.0\.conv1(?:\.conv)?\.weight$", key))
        and len(shape) == 5
    }
    last = next((shape for key, shape in shapes.items() if key.endswith("decoder.conv_out.conv.weight")), ())
    if not first or not last:
        return RELEASED_CHANNELS
    return first[max(first)] * 3 / max(last[0], 3)


def _read_header(file: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and kind of every tensor of a safetensors file; nothing of a file that is damaged or of another format.

    Damaged files are for the loader to name.
    """
    if file.suffix != ".safetensors":
        return {}
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length <= min(LARGEST_HEADER, file.stat().st_size):
                return {}
            entries = json.loads(stream.read(length))
        return {
            key: (tuple(map(int, entry["shape"])), str(entry["dtype"]))
            for key, entry in entries.items()
            if key != "__metadata__"
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
