"""Distance of pictures as a network sees them, for the VAE's perceptual loss (paper equation 1).

LPIPS needs VGG-16's weights, which no package brings. Where they are not on disk, the vision tower of a CLIP
takes its place: the same distance between unit features, without LPIPS' learned weights per channel.
"""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.config import one_of
from shared.errors import ConfigError, WeightsError

NETWORKS = ("lpips", "clip")

VGG = "vgg16-397923af.pth"
"""VGG-16's weights under torchvision's name, in `$TORCH_HOME/hub/checkpoints`."""


class PerceptualDistance(nn.Module):
    """A frozen network and the mean distance of two clips' frames in it."""

    def forward(self, frames: Tensor, target: Tensor) -> Tensor:
        """(B, 3, F, H, W) in [-1, 1] twice -> a scalar; gradients reach `frames` alone."""
        return self.distance(*(clip.transpose(1, 2).flatten(0, 1) for clip in (frames, target)))

    @abstractmethod
    def distance(self, pictures: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] twice -> a scalar."""


class LpipsDistance(PerceptualDistance):
    """LPIPS over VGG-16 (Zhang et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        try:
            from lpips import LPIPS  # ty: ignore[import-not-found]
        except ImportError as error:
            raise ConfigError(
                "network=lpips needs the package lpips (pip install lpips); network=clip does without"
            ) from error
        path = vgg_path()
        if not path.exists():
            raise ConfigError(f"network=lpips needs VGG-16's weights in {path}; network=clip does without")
        self.network = LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
        features = torch.load(path, map_location="cpu", weights_only=True)
        for part in self.network.net.children():
            wanted = part.state_dict()
            part.load_state_dict({key: features[f"features.{key}"] for key in wanted})
        self.requires_grad_(False)

    def distance(self, pictures: Tensor, target: Tensor) -> Tensor:
        """See `PerceptualDistance`."""
        return self.network(pictures, target).mean()


class ClipDistance(PerceptualDistance):
    """Distance between the unit features of every layer of a CLIP vision tower, patch by patch.

    Args:
        tower: a `CLIPVisionModel`.

    Pictures are cut or stretched to the size that the tower's positions were made for: smaller ones read the
    positions of their place (interpolated), so that a crop is looked at as it is.
    """

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.tower = tower.eval().requires_grad_(False)

    def distance(self, pictures: Tensor, target: Tensor) -> Tensor:
        """See `PerceptualDistance`."""
        with torch.no_grad():
            wanted = self._features(target)
        pairs = zip(self._features(pictures), wanted, strict=True)
        return torch.stack([(ours - theirs).square().sum(-1).mean() for ours, theirs in pairs]).mean()

    def _features(self, pictures: Tensor) -> list[Tensor]:
        seen = self.tower(pictures, output_hidden_states=True, interpolate_pos_encoding=True)
        return [F.normalize(layer[:, 1:].float(), dim=-1) for layer in seen.hidden_states[1:]]


def vgg_path() -> Path:
    """Where torchvision keeps VGG-16's weights."""
    return Path(torch.hub.get_dir()) / "checkpoints" / VGG


def perceptual_distance(network: str, folder: Path) -> PerceptualDistance:
    """One of `NETWORKS`; `clip` is the vision tower of the model folder's multimodal language model.

    Raises:
        ConfigError: no such network, or LPIPS or VGG-16's weights are not there.
        WeightsError: the folder has no vision tower.
    """
    if network not in NETWORKS:
        raise ConfigError(f"network={network} is not known: {one_of(NETWORKS)} expected")
    return LpipsDistance() if network == "lpips" else ClipDistance(_vision_tower(folder))


def _vision_tower(folder: Path) -> Any:
    from transformers import LlavaForConditionalGeneration

    path = folder / "text_encoder"
    if not path.is_dir():
        raise WeightsError(f"{path} is missing: network=clip reads the vision tower of a text encoder")
    return LlavaForConditionalGeneration.from_pretrained(path, dtype=torch.float32).model.vision_tower
