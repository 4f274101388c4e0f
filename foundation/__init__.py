"""The text-to-video model and everything that runs or trains a model.

Names are loaded when they are first asked for (PEP 562), so that a part never waits for, or needs, what
another part imports.
"""

from shared.imports import lazily

_HOMES = {
    "foundation.flow.guidance": ("classifier_free", "conditional"),
    "foundation.flow.objective": (
        "NoisyBatch",
        "draw_per_sample",
        "logit_normal_sigma",
        "make_noisy",
        "velocity_loss",
    ),
    "foundation.flow.sampler": ("Cancelled", "Step", "Velocity", "hold_frames", "lead_frames", "sample"),
    "foundation.flow.schedule": ("auto_shift", "flow_sigmas", "linear_quadratic_sigmas", "shifted"),
    "foundation.models.transformer.conditioning": ("Conditioning", "Context", "TextConditioning"),
    "foundation.models.transformer.cross_attention": ("inject_cross_attention",),
    "foundation.models.transformer.model": ("VideoTransformer", "widen_patch_embedding"),
    "foundation.t2v.pipeline": ("TextToVideoPipeline",),
    "foundation.models.text.encoder": ("TextEncoder",),
    "foundation.models.vae.model": ("CausalVideoVAE",),
    "foundation.models.vae.tiling": ("Tiling",),
    "foundation.checkpoints.lora.adapters": ("add_lora", "load_loras", "save_lora"),
    "foundation.checkpoints.lora.source": ("Lora",),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULE_OF)


__getattr__ = lazily(__name__, {name: home.removeprefix(f"{__name__}.") for name, home in _MODULE_OF.items()})


def __dir__() -> list[str]:
    return __all__
