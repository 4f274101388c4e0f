"""Fetching a model from the hub: size and free disk first, then the files, then their sha256."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foundation.checkpoints.hashes import open_record
from foundation.checkpoints.registry import INDEX_FILE, KNOWN, PARTS, place_of
from shared.errors import InputError, ResourceError, WeightsError, first_line
from shared.media.files import check_space

FOLDERS = (*PARTS, "scheduler", "image_processor", "feature_extractor")
SUFFIXES = (".json", ".safetensors", ".txt", ".model")


@dataclass(frozen=True)
class Published:
    """A file of a repository; `sha256` is None for small text files, which the hub does not hash so."""

    name: str
    size: int
    sha256: str | None


def fetch(name: str, note: Callable[[str], None]) -> Path:
    """Fetch a model, continuing where an earlier attempt stopped.

    Args:
        name: a registered name or a hub id.
        note: told the size and the free disk before anything is fetched.

    Returns:
        The folder, whole, every large file's sha256 as published.

    Raises:
        InputError: the hub has no such model, or it is no model folder.
        ResourceError: the disk is too small, or the hub cannot be reached.
        WeightsError: what arrived is not what was published.
    """
    from huggingface_hub import snapshot_download

    repository = KNOWN[name].repository if name in KNOWN else name
    folder = place_of(name)
    revision, files = published(repository)
    absent = [file for file in files if not _has(folder, file)]
    size, missing = sum(file.size for file in files), sum(file.size for file in absent)
    free = check_space(missing, folder)
    note(
        f"{repository}: {_size(size)} in {len(files)} files, {_size(missing)} to fetch into {folder}, "
        f"where {_size(free)} are free"
    )
    if absent:
        try:
            snapshot_download(
                repository,
                revision=revision,
                local_dir=folder,
                allow_patterns=[file.name for file in files],
            )
        except Exception as error:  # the hub's client and its transport share no base class
            raise ResourceError(
                f"{repository} was not fetched: {first_line(error)}; the same command goes on from here"
            ) from error
    _check(folder, files)
    return folder


def published(repository: str) -> tuple[str, list[Published]]:
    """The present revision of a repository, and those of its files that a model folder needs.

    Raises:
        InputError: no such repository, or no model folder.
        ResourceError: the hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = HfApi().model_info(repository, files_metadata=True)
    except RepositoryNotFoundError as error:
        raise InputError(f"the hub has no model {repository!r}, or it is not public") from error
    except Exception as error:  # the hub's client and its transport share no base class
        raise ResourceError(f"the hub cannot be asked for {repository}: {first_line(error)}") from error
    files = [
        Published(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None)
        for file in info.siblings or []
        if file.rfilename == INDEX_FILE
        or (file.rfilename.split("/")[0] in FOLDERS and file.rfilename.endswith(SUFFIXES))
    ]
    if not any(file.name == INDEX_FILE for file in files):
        raise InputError(f"{repository} is not a model folder: it has no {INDEX_FILE}")
    return info.sha or "main", files


def _has(folder: Path, file: Published) -> bool:
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.size


def _check(folder: Path, files: list[Published]) -> None:
    with open_record() as record:
        for file in files:
            if file.sha256 is not None and record.accept(folder / file.name) != file.sha256:
                raise WeightsError(
                    f"{folder / file.name} is not what was published: delete it and fetch it again"
                )


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e7 else f"{count / 1e6:.2f} MB"
