"""The sha256 of weights files, of latent spaces and of embedding spaces, kept between runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shared.config import local_path
from shared.errors import KinoraError
from shared.media.files import refusal, replacing

if TYPE_CHECKING:
    from torch import Tensor

    from foundation.models.text import TextEncoder
    from foundation.models.vae.model import CausalVideoVAE


BLOCK = 1 << 22
RECORD_FILE = "sha256.json"


@dataclass(frozen=True)
class Entry:
    """What is known of one file; `first` is the sha256 that it should have."""

    size: int
    mtime_ns: int
    sha256: str
    first: str


def cache_folder() -> Path:
    """Where Kinora keeps what it can make again: `KINORA_CACHE`, or `kinora` in the user's cache folder."""
    own = os.environ.get("KINORA_CACHE")
    if own:
        return local_path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kinora"


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise refusal(error, path, "read") from error
    return digest.hexdigest()


class Record:
    """Known hashes by path."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries
        self.changed = False

    def sha256(self, path: Path, fresh: bool = False) -> str:
        """The file's sha256, hashed only when it is not known, when the file changed, or when `fresh`."""
        key, stat = str(path.resolve()), path.stat()
        known = self.entries.get(key)
        if known and not fresh and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return known.sha256
        digest = file_sha256(path)
        self._keep(key, Entry(stat.st_size, stat.st_mtime_ns, digest, known.first if known else digest))
        return digest

    def first(self, path: Path) -> str | None:
        """The sha256 that the file should have; None for a file that was never seen."""
        known = self.entries.get(str(path.resolve()))
        return known.first if known else None

    def find(self, sha256: str) -> Path | None:
        """A file that is known by this sha256 and still has it; None where there is none."""
        for key in [key for key, entry in self.entries.items() if entry.sha256 == sha256]:
            if Path(key).is_file() and self.sha256(Path(key)) == sha256:
                return Path(key)
        return None

    def accept(self, path: Path) -> str:
        """Hash the file, and take its sha256 for the one that it should have from now on."""
        digest = self.sha256(path, fresh=True)
        key = str(path.resolve())
        self._keep(key, replace(self.entries[key], first=digest))
        return digest

    def _keep(self, key: str, entry: Entry) -> None:
        if self.entries.get(key) != entry:
            self.entries[key] = entry
            self.changed = True


@contextlib.contextmanager
def open_record() -> Generator[Record]:
    """The record, written back when something was added; a damaged one is begun anew."""
    path = cache_folder() / RECORD_FILE
    record = Record(_read(path))
    try:
        yield record
    finally:
        if record.changed:
            # Without a place to keep it the next run hashes again, which costs time and nothing else.
            with contextlib.suppress(KinoraError), replacing(path) as temporary:
                entries = {key: asdict(entry) for key, entry in sorted(record.entries.items())}
                temporary.write_text(json.dumps(entries, indent=1) + "\n")


def _read(path: Path) -> dict[str, Entry]:
    try:
        values = json.loads(path.read_text())
        return {key: Entry(**entry) for key, entry in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def folder_sha256(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every safetensors file of a model folder, sorted by path."""
    files = sorted(folder.rglob("*.safetensors"))
    return files_sha256({file.relative_to(folder).as_posix(): file for file in files})


def files_sha256(files: Mapping[str, Path]) -> dict[str, str]:
    """Name -> sha256 of each file; those that have not changed since they were last hashed are not read."""
    with open_record() as record:
        return {name: record.sha256(file) for name, file in files.items()}


def latents_sha256(vae: CausalVideoVAE) -> str:
    """Identity of a latent space: the VAE's encoder, `quant_conv` and scaling factor; the decoder may improve."""
    tensors = {k: v for k, v in vae.state_dict().items() if k.startswith(("encoder.", "quant_conv."))}
    return _tensors_sha256(tensors, f"{vae.config.scaling_factor:.9g}")


def text_sha256(text: TextEncoder) -> str:
    """Identity of an embedding space: what turns a prompt into states and a pooled vector.

    The language model's layers above the states, its eyes and its output head may change.
    """
    decoder = text.mllm.decoder
    parts = {"embed": decoder.embed_tokens, "layers": decoder.layers[: text.mllm.depth]}
    states = {f"{name}.{k}": v for name, part in parts.items() for k, v in part.state_dict().items()}
    return _tensors_sha256({**states, **text.clip.model.state_dict(prefix="clip.")})


def _tensors_sha256(tensors: dict[str, Tensor], extra: str = "") -> str:
    """Over names and values as float32, so that a cast that loses nothing changes nothing."""
    digest = hashlib.sha256(extra.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
