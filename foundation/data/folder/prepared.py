"""A prepared folder: its samples, and the shards that hold their latents and embeddings."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from foundation.data.folder.buckets import Bucket, ClipSettings
from foundation.models.text.templates import TemplateKind
from foundation.models.transformer.conditioning import TextConditioning
from shared.config import from_mapping, to_mapping
from shared.console import note
from shared.errors import ConfigError, InputError
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


VERSION = 1


@dataclass(frozen=True)
class Sample:
    """A clip or picture: its name in the folder, its bucket, and the keys of its rows in the shards."""

    name: str
    bucket: Bucket
    latents: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """What decides over the rows: the folder's path, the sha256 of the VAE and of the text encoders, the settings."""

    folder: str
    vae: str
    text: str
    settings: ClipSettings

    @property
    def sha256(self) -> str:
        """Names the list of this folder at these settings."""
        return hashlib.sha256(_json(_source(self)).encode()).hexdigest()


@dataclass(frozen=True)
class Prepared:
    """Samples in the order of their names.

    Attributes:
        root: the cache.
        source: what they were made from and with.
        samples: at least one.
    """

    root: Path
    source: Source
    samples: tuple[Sample, ...]

    @property
    def path(self) -> Path:
        """The list's own place in the cache."""
        return self.root / f"{Path(self.source.folder).name}-{self.source.sha256[:16]}.json"

    @property
    def sha256(self) -> str:
        """Identity of all that a training run sees: another clip, caption, setting or encoder changes it."""
        seen = [[asdict(sample) for sample in self.samples], self.source.vae, self.source.text]
        return hashlib.sha256(_json(seen).encode()).hexdigest()

    def latents(self) -> Shards:
        """Rows `latents` (C, T, h, w) in bfloat16, one per clip."""
        return Shards(latents_folder(self.root, self.source.vae))

    def stills(self) -> Shards:
        """The same of the clips' stills, under the same keys (see `EncodedClip`)."""
        return Shards(stills_folder(self.root, self.source.vae))

    def texts(self) -> Shards:
        """Rows `tokens` (L, D) and `pooled` (D_pool,) in bfloat16, one per caption."""
        return Shards(texts_folder(self.root, self.source.text))

    def write(self) -> Path:
        """Keep the list."""
        value = {"version": VERSION, **_source(self.source), "samples": [asdict(one) for one in self.samples]}
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        return self.path


def read_prepared(path: Path) -> Prepared:
    """A prepared folder from its list; the shards lie beside it.

    Raises:
        ConfigError: there is no list, or it is damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["version"] != VERSION:
            raise ConfigError(
                f"{path} has version {value['version']}, not {VERSION}: prepare the folder again"
            )
        source = Source(
            value["folder"], value["vae"], value["text"], from_mapping(ClipSettings, value["settings"])
        )
        return Prepared(path.parent, source, tuple(_sample(one) for one in value["samples"]))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, InputError) as error:
        raise ConfigError(f"{path} lists no prepared folder ({error!r}): prepare the folder again") from error


def latents_folder(root: Path, vae: str) -> Path:
    """Where the latents of a VAE lie."""
    return root / f"latents-{vae[:16]}"


def stills_folder(root: Path, vae: str) -> Path:
    """Where the stills of a VAE lie."""
    return root / f"stills-{vae[:16]}"


def texts_folder(root: Path, text: str) -> Path:
    """Where the embeddings of text encoders lie."""
    return root / f"captions-{text[:16]}"


def text_kind(bucket: Bucket) -> TemplateKind:
    """Pictures have a template of their own."""
    return "image" if bucket.still else "video"


def caption_key(caption: str, kind: TemplateKind) -> str:
    """The key of a caption's rows."""
    return hashlib.sha256(f"{kind}\n{caption}".encode()).hexdigest()


def text_row(texts: Shards, key: str) -> TextConditioning:
    """One encoded caption: embeds (1, L, D), no mask, pooled (1, D_pool)."""
    tokens = texts.ragged(key, "tokens", "lengths")
    return TextConditioning(tokens[None], None, texts.row(key, "pooled")[None])


def _source(source: Source) -> dict[str, Any]:
    return {
        "folder": source.folder,
        "vae": source.vae,
        "text": source.text,
        "settings": to_mapping(source.settings),
    }


def _sample(value: dict[str, Any]) -> Sample:
    return Sample(value["name"], Bucket(**value["bucket"]), value["latents"], tuple(value["captions"]))


def _json(value: Sequence[Any] | dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
