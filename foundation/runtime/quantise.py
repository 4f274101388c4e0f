"""Weights in fewer bits, where diffusers has it."""

from importlib.util import find_spec
from typing import Any

from shared.errors import InputError

QUANTO = ("int8", "int4")
"""What quanto does while loading."""

KEPT = ["proj_in", "linear_1", "linear_2"]
"""Layers of the text's and signal's embeddings, which stay as they are; quanto knows layers by their last name."""


def require(package: str, module: str, what: str) -> None:
    """Refuse what needs a package that is not installed.

    Raises:
        InputError: It is not; the line says how to install it.
    """
    top = module.split(".")[0]
    if find_spec(top) is None or find_spec(module) is None:
        raise InputError(f"{what} needs the package {package}: pip install {package}")


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
