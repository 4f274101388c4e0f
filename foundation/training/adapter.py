"""What recipes that train an adapter share."""

from dataclasses import dataclass, field

from diffusers.models.modeling_utils import ModelMixin

from foundation.weights.lora.adapters import TARGETS, add_lora


@dataclass
class AdapterRecipe:
    """Settings of an adapter.

    Updates of `rank`, scaled by `alpha / rank` (null: by 1), in the layers whose names end in one of `targets`.
    """

    rank: int = 16
    alpha: float | None = None
    targets: list[str] = field(default_factory=lambda: list(TARGETS))

    def add_to(self, model: ModelMixin) -> None:
        """Freeze a model and add the adapter, which alone is to be trained.

        Raises:
            ConfigError: a setting that no adapter can have, or a target that names no layer.
        """
        add_lora(model, self.rank, self.alpha, self.targets)
