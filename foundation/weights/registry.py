"""The names by which users know models, and the folders behind them."""

from pathlib import Path

from shared.errors import WeightsError

STARTER = Path(__file__).resolve().parents[2] / "weights" / "starter"
"""The small trained weights in this repository."""


def resolve(name: str) -> Path:
    """The folder of a model: `starter`, or a local folder in diffusers' layout.

    Raises:
        WeightsError: if there is no such folder, or it is not a model; nothing is ever downloaded here.
    """
    folder = STARTER if name == "starter" else Path(name).expanduser()
    if not folder.is_dir():
        raise WeightsError(
            f"model {name!r} is not here: give 'starter' or a folder with transformer, vae, text_encoder, "
            "tokenizer, text_encoder_2 and tokenizer_2 in it"
        )
    if not (folder / "model_index.json").is_file():
        raise WeightsError(f"{folder} is not a model folder: it holds no model_index.json")
    return folder
