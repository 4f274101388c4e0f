"""The names by which users know models, and where their parts lie on this machine. Nothing here connects."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from foundation.checkpoints.hashes import cache_folder
from shared.config import local_path, near_miss, shorten
from shared.errors import InputError, WeightsError


def _starter() -> Path:
    checkout = Path(__file__).resolve().parents[2] / "weights" / "starter"
    return checkout if checkout.is_dir() else Path(str(resources.files("foundation") / "starter"))


STARTER = _starter()
"""The small trained weights: of this repository, or those that the installed package brings."""

BASE = "hunyuanvideo"
"""What gives the rest of a model when a transformer alone is named."""

PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
WEIGHTED = ("transformer", "vae", "text_encoder", "text_encoder_2")
INDEX_FILE = "model_index.json"
RUN_EXPORT = "model"
"""Folder within a training run's that holds what it exported."""
APP_FILE = "app.json"
"""What an app's recipe made of a model; see `foundation.checkpoints.model_folder`."""

GGUF = ".gguf"
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", GGUF)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Known:
    """A model with a name of its own: where it is published, about how large it is, and what it does."""

    repository: str
    gigabytes: int
    about: str


KNOWN = {
    "hunyuanvideo": Known("hunyuanvideo-community/HunyuanVideo", 42, "text to video, 13B"),
    "hunyuanvideo-i2v": Known("hunyuanvideo-community/HunyuanVideo-I2V", 43, "picture to video, 13B"),
}


@dataclass(frozen=True)
class ModelParts:
    """Where each part of a model lies: a folder in the layout of diffusers or transformers, or one file.

    `folder` holds what stands beside the parts: the scheduler's settings and the model's defaults. `overlay` is the
    folder of an app's adapter, which belongs to the transformer. `configurations` names, for a text encoder that
    is one file, the folder whose `config.json` describes it.
    """

    folder: Path
    transformer: Path
    vae: Path
    text_encoder: Path
    tokenizer: Path
    text_encoder_2: Path
    tokenizer_2: Path
    overlay: Path | None = None
    configurations: Mapping[str, Path] = field(default_factory=dict)

    def weights(self) -> dict[str, Path]:
        """Every weights file that is loaded, by part and path within it."""
        places = {part: getattr(self, part) for part in WEIGHTED}
        if self.overlay is not None:
            places["adapter"] = self.overlay
        return {
            f"{part}/{name}": file
            for part, place in places.items()
            for name, file in _weights_in(place).items()
        }


def models_folder() -> Path:
    """Where `kinora models get` puts models: `KINORA_MODELS`, or `models` in Kinora's cache folder."""
    own = os.environ.get("KINORA_MODELS")
    return local_path(own) if own else cache_folder() / "models"


def place_of(name: str) -> Path:
    """Where a registered name or hub id is put."""
    return models_folder() / name


def resolve(name: str) -> Path:
    """The folder of a model in diffusers' layout.

    Args:
        name: `starter`, `hunyuanvideo`, `hunyuanvideo-i2v`, a local folder, or a hub id that was fetched.

    Raises:
        WeightsError: it is not on this machine (the line says how to get it), or is no such folder.
    """
    folder = locate(name)
    if not (folder / INDEX_FILE).is_file():
        raise WeightsError(
            f"{folder} is not a model folder: it holds no {INDEX_FILE}; transformer, vae, text_encoder, "
            "tokenizer, text_encoder_2 and tokenizer_2 belong in it"
        )
    return folder


def find_parts(
    name: str, base: str | None = None, app: str | None = None, own: Mapping[str, str] | None = None
) -> ModelParts:
    """The parts of a model.

    Args:
        name: as for `resolve`; or a folder in the official layout; or a transformer alone, as one file or as
            a folder with its `config.json`; or what an app's recipe wrote.
        base: the model that gives the rest of a transformer alone (None: `hunyuanvideo`), or of an app's folder
            (None: the one that it names).
        app: who asks; a model folder may hold a folder of that name, with the app's own weights.
        own: files or folders instead of the model's `vae`, `text_encoder` and `text_encoder_2`.

    Raises:
        WeightsError: a model or a part is not on this machine.
        InputError: a base for a model that is whole.
    """
    parts = _find_parts(name, base, app)
    for part, told in (own or {}).items():
        parts = _replace_part(parts, part, told)
    return parts


def _replace_part(parts: ModelParts, part: str, told: str) -> ModelParts:
    """The parts with a file or a folder of the user's in the place of one."""
    place = local_path(told)
    if not place.exists():
        raise WeightsError(f"{part}: {shorten(told)} is missing: a weights file or a folder is expected")
    if place.is_file():
        kinds = WEIGHT_SUFFIXES if part == "vae" else (".safetensors",)
        if place.suffix not in kinds:
            raise WeightsError(f"{part}: {shorten(told)} is no weights file: {', '.join(kinds)} is expected")
        configurations = {**parts.configurations, part: getattr(parts, part)}
        return dataclasses.replace(parts, **{part: place}, configurations=configurations)
    if not _weights_in(place):
        raise WeightsError(f"{part}: {shorten(told)} holds no weights file")
    return dataclasses.replace(parts, **{part: place})


def _find_parts(name: str, base: str | None, app: str | None) -> ModelParts:
    place = locate(name)
    if _is_app(place):
        return _app_parts(place, base)
    parts = _whole_parts(name, place, base)
    if app is not None and parts.folder == place and _is_app(place / app):
        return _with_app(parts, parts.folder / app)
    return parts


def read_app(folder: Path) -> dict[str, Any]:
    """What `app.json` of an app's folder says.

    Raises:
        WeightsError: it is damaged.
    """
    try:
        about = json.loads((folder / APP_FILE).read_text(encoding="utf-8"))
        if isinstance(about["base"], str):
            return about
        raise TypeError("base is no text")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{folder / APP_FILE} is damaged ({error!r}): it must name a base") from error


def _is_app(place: Path) -> bool:
    """Stands on another model; a whole model may say who made it, too."""
    return (place / APP_FILE).is_file() and not (place / INDEX_FILE).is_file()


def _app_parts(folder: Path, base: str | None) -> ModelParts:
    name = base or read_app(folder)["base"]
    try:
        place = locate(name)
        if _is_app(place):
            raise WeightsError(f"{name} stands on another model itself")
        return _with_app(_whole_parts(name, place, None), folder)
    except WeightsError as error:
        raise WeightsError(f"{folder} stands on a model that --base may name: {error}") from error


def _with_app(parts: ModelParts, folder: Path) -> ModelParts:
    own = folder / "transformer"
    if own.is_dir():
        return dataclasses.replace(parts, folder=folder, transformer=own)
    return dataclasses.replace(parts, folder=folder, overlay=folder)


def _whole_parts(name: str, place: Path, base: str | None) -> ModelParts:
    if place.name in PARTS and place.name != "transformer" and (place.parent / INDEX_FILE).is_file():
        raise WeightsError(f"{name} is the {place.name} of a model: give the model's folder, {place.parent}")
    if place.is_file() or (place / "config.json").is_file():
        return dataclasses.replace(_find_rest(name, base or BASE), transformer=place)
    if base is not None:
        raise InputError(f"base is for a transformer alone; {shorten(name)} is a whole model")
    official = _official_parts(place)
    if official is not None and not (place / INDEX_FILE).is_file():
        return official
    folder = resolve(name)
    for part in PARTS:
        if not (folder / part).is_dir():
            raise WeightsError(f"{folder / part} is missing: the model is not whole")
    places: dict[str, Any] = {part: folder / part for part in PARTS}
    return ModelParts(folder, **places)


def weights_of(name: str) -> dict[str, Path]:
    """Every weights file of a model, of one of its parts, or the file that is named itself.

    Raises:
        WeightsError: it is not on this machine.
    """
    place = locate(name)
    if place.is_file() or (place / "config.json").is_file():
        return _weights_in(place)
    return find_parts(name).weights()


def here() -> dict[str, Path]:
    """Names of the models on this machine that have one, and their folders; training runs are those of this folder."""
    found = {"starter": STARTER}
    for name in KNOWN:
        folder = _registered(name)
        if folder is not None:
            found[name] = folder
    runs = {path.as_posix(): path / RUN_EXPORT for path in sorted(Path("runs").glob("*")) if _has_model(path)}
    fetched = sorted(path.parent for path in models_folder().glob(f"*/*/{INDEX_FILE}"))
    return found | runs | {folder.relative_to(models_folder()).as_posix(): folder for folder in fetched}


def _is_run(path: Path) -> bool:
    """Whether a folder is a training run's, with a model that it exported."""
    return (
        (path / RUN_EXPORT).is_dir() and not (path / INDEX_FILE).exists() and not (path / APP_FILE).exists()
    )


def _has_model(run: Path) -> bool:
    """Whether a training run exported a model, and not a LoRA for one."""
    return _is_run(run) and any((run / RUN_EXPORT / file).is_file() for file in (INDEX_FILE, APP_FILE))


def _weights_in(place: Path) -> dict[str, Path]:
    """The weights files of a part; where there are safetensors, nothing else is loaded."""
    if place.is_file():
        return {place.name: place}
    files = sorted(place.rglob("*.safetensors")) or sorted(
        file for file in place.rglob("*") if file.suffix in WEIGHT_SUFFIXES
    )
    return {file.relative_to(place).as_posix(): file for file in files}


def _find_rest(name: str, base: str) -> ModelParts:
    try:
        return find_parts(base)
    except WeightsError as error:
        raise WeightsError(f"{name} is a transformer alone, the rest comes from --base: {error}") from error


def locate(name: str) -> Path:
    """Where a name points to on this machine: a folder or a file.

    Raises:
        WeightsError: nothing of that name is here; the line says how to get it.
    """
    if name == "starter":
        return STARTER
    path = local_path(name)
    if name not in KNOWN and path.exists():
        return path / RUN_EXPORT if _is_run(path) else path
    found = _registered(name) if name in KNOWN or _HUB_ID.fullmatch(name) else None
    if found is not None:
        return found
    if name in KNOWN:
        known = KNOWN[name]
        raise WeightsError(
            f"{name} is not on this machine: `kinora models get {name}` fetches it (about {known.gigabytes} GB "
            f"from {known.repository}), or put its folder at {place_of(name)}"
        )
    if path.suffix in WEIGHT_SUFFIXES:
        raise WeightsError(f"{path} is missing: there is no such weights file")
    fetch = f"; if it is a hub id, `kinora models get {name}` fetches it" if _HUB_ID.fullmatch(name) else ""
    raise WeightsError(
        f"model {shorten(name)} is not here{near_miss(name, ['starter', *KNOWN])}: give a name of "
        f"`kinora models list`, a folder, or a transformer's file{fetch}"
    )


def _registered(name: str) -> Path | None:
    """A fetched model: in Kinora's own folder, else where other programs of this user keep theirs."""
    own = place_of(name)
    if (own / INDEX_FILE).is_file():
        return own
    from huggingface_hub import try_to_load_from_cache  # 0.2 s that no other name has to wait for

    repository = KNOWN[name].repository if name in KNOWN else name
    cached = try_to_load_from_cache(repository, INDEX_FILE)
    if not isinstance(cached, str):
        return None
    folder = Path(cached).parent
    return folder if all((folder / part).is_dir() for part in PARTS) else None


def _official_parts(folder: Path) -> ModelParts | None:
    """The parts of a folder as the official code keeps them (spec section 3.1); None for any other folder."""
    files = [
        file
        for file in sorted(folder.glob("*/transformers/*.pt")) + sorted(folder.glob("transformers/*.pt"))
        if not file.stem.endswith(("_map", "_fp8"))
    ]
    if not files:
        return None
    if len(files) > 1:
        raise WeightsError(f"{folder} holds several transformers: give one of them, such as {files[0]}")
    room = files[0].parent.parent
    sees = (folder / "text_encoder_i2v").is_dir()
    mllm, clip = folder / ("text_encoder_i2v" if sees else "text_encoder"), folder / "text_encoder_2"
    for part in (room / "vae", mllm, clip):
        if not part.is_dir():
            raise WeightsError(f"{part} is missing: the model is not whole")
    return ModelParts(folder, files[0], room / "vae", mllm, mllm, clip, clip)
