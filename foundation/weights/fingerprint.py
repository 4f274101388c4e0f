"""What identifies weights: sha256 over their files."""

import hashlib
from pathlib import Path

BLOCK = 1 << 22


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def folder_sha256(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every safetensors file of a model folder, sorted by path."""
    files = sorted(folder.rglob("*.safetensors"))
    return {file.relative_to(folder).as_posix(): file_sha256(file) for file in files}
