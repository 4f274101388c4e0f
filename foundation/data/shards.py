"""Rows of tensors under keys, in safetensors files that are written once, whole or not at all."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from shared.console import note
from shared.errors import ConfigError
from shared.media.files import replacing

OPEN_SHARDS = 64
"""Files that a process keeps mapped into memory; the system drops their pages when it needs the space."""


class Shards:
    """A folder of shards. Rows are read from disk when they are asked for, so that it may be larger than memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: dict[str, tuple[Path, int]] = {}
        for path in sorted(folder.glob("*.safetensors")):
            self._take(path)

    def __contains__(self, key: str) -> bool:
        return key in self.places

    def add(self, name: str, keys: Sequence[str], tensors: Mapping[str, Tensor]) -> None:
        """Write one shard.

        Args:
            name: how its file name begins; the rest follows from the keys.
            keys: one per row.
            tensors: each with a row per key, or with the rows of all keys behind one another (see `ragged`).

        Raises:
            ResourceError: the disk is full; earlier shards stay whole.
        """
        digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
        path = self.folder / f"{name}-{digest}.safetensors"
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        with replacing(path) as temporary:
            # Not `save_file`, whose errors do not say that a disk is full.
            temporary.write_bytes(save(contiguous, {"keys": json.dumps(list(keys))}))
        self._take(path)

    def row(self, key: str, name: str) -> Tensor:
        """The row of a key in a tensor that has one per key."""
        path, index = self._place(key)
        return _opened(path).get_slice(name)[index]

    def ragged(self, key: str, name: str, lengths: str) -> Tensor:
        """The rows of a key in a tensor that has as many per key as another one, `lengths`, says."""
        path, index = self._place(key)
        ends = _opened(path).get_tensor(lengths).cumsum(0)
        return _opened(path).get_slice(name)[int(ends[index - 1]) if index else 0 : int(ends[index])]

    def check(self, keys: Iterable[str]) -> None:
        """Refuse to start what would miss a row later.

        Raises:
            ConfigError: a key has no row.
        """
        for key in keys:
            self._place(key)

    def _place(self, key: str) -> tuple[Path, int]:
        if key not in self.places:
            raise ConfigError(f"{self.folder} lacks {key}: prepare the folder of clips again")
        return self.places[key]

    def _take(self, path: Path) -> None:
        try:
            with safe_open(path, "pt") as file:
                keys = json.loads(file.metadata()["keys"])
        except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
            note(f"{path} is damaged and is made again ({error})")
            return
        self.places.update((key, (path, index)) for index, key in enumerate(keys))


@lru_cache(OPEN_SHARDS)
def _opened(path: Path) -> Any:
    return safe_open(path, "pt").__enter__()
