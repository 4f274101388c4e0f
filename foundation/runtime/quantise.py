"""Weights in fewer bits, where diffusers has it."""

from typing import Any

from shared.imports import require

QUANTO = ("int8", "int4")
"""What quanto does while loading."""

KEPT = ["proj_in", "linear_1", "linear_2"]
"""Layers of the text's and signal's embeddings, which stay as they are; quanto knows layers by their last name."""


def check_quantise(quantise: str) -> None:
    """Refuse a quantisation whose package is not installed.

    Raises:
        InputError: it is not; the line says how to install it.
    """
    if quantise in QUANTO:
        require("optimum-quanto", "optimum.quanto", f"quantise {quantise!r}")


def quanto_config(quantise: str) -> Any:
    """What diffusers' `from_pretrained` takes as `quantization_config`; None where nothing is quantised.

    Args:
        quantise: `int8` or `int4`, through quanto; anything else is not done while loading.

    Raises:
        InputError: quanto is not installed.
    """
    if quantise not in QUANTO:
        return None
    check_quantise(quantise)
    from diffusers import QuantoConfig

    return QuantoConfig(weights_dtype=quantise, modules_to_not_convert=KEPT)
