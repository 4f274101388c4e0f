"""The text-to-video model and everything that runs or trains a model.

Names are loaded when they are first asked for (PEP 562), so that a part never waits for, or needs, what
another part imports.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "foundation.flow.guidance": ("classifier_free", "conditional"),
    "foundation.flow.objective": (
        "NoisyBatch",
        "draw_per_sample",
        "logit_normal_sigma",
        "make_noisy",
        "velocity_loss",
    ),
    "foundation.flow.sampler": ("Cancelled", "Step", "Velocity", "hold_frames", "sample"),
    "foundation.flow.schedule": ("auto_shift", "flow_sigmas", "linear_quadratic_sigmas", "shifted"),
    "foundation.transformer.conditioning": ("Conditioning", "Context", "TextConditioning"),
    "foundation.transformer.model": ("VideoTransformer", "widen_patch_embedding"),
    "foundation.pipeline": ("TextToVideoPipeline",),
    "foundation.text.encoder": ("TextEncoder",),
    "foundation.vae.model": ("CausalVideoVAE",),
    "foundation.vae.tiling": ("Tiling",),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
