"""Where a receipt stands in the bytes of each kind of file, and the hash over the file around it.

While a file is hashed its `file_sha256` is 64 zeros. Everything else counts, byte by byte: a PNG's chunk
carries a CRC over the receipt, so for the hash that CRC is the one of the zeros.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.errors import InputError
from shared.media.files import refusal
from shared.media.picture import PNG_HEAD, TEXT_KEY, png_chunks, png_files
from shared.media.video import comment
from shared.receipts.receipt import LARGEST, ZEROS
from shared.receipts.streams import DEMUXERS

RECEIPT_FILE = "receipt.json"
Buffer = bytes | mmap.mmap
_MARK = b'"file_sha256":"'
_GIF_COMMENT = b"\x21\xfe"
_STEP = 1 << 20


class NoReceiptError(InputError):
    """The file carries no receipt of ours."""


@dataclass(frozen=True)
class ReceiptLocation:
    """A receipt found in a file.

    Attributes:
        text: The receipt as it stands there.
        digest: Offset of the 64 digits of `file_sha256`.
        chunk: For a PNG, the first and last offset (exclusive) of what the CRC that follows covers.
    """

    text: str
    digest: int
    chunk: tuple[int, int] | None = None


def find(path: Path) -> ReceiptLocation:
    """Find the receipt in a file, or in the `receipt.json` of a folder.

    Raises:
        NoReceiptError: There is none.
        InputError: The file cannot be read, or what looks like a receipt is torn.
    """
    try:
        if path.is_dir():
            return _find_in_folder(path)
        with _bytes_of(path) as data:
            if data[: len(PNG_HEAD)] == PNG_HEAD:
                return _find_in_png(path, data)
            if data[:3] == b"GIF":
                return _find_in_gif(path, data)
            return _find_in_film(path, data)
    except OSError as error:
        raise refusal(error, path, "read") from error


def file_sha256(path: Path, place: ReceiptLocation) -> str:
    """The hash over a file, or over a folder's pictures and receipt, as before the hash stood there."""
    hashed = hashlib.sha256()
    if path.is_dir():
        for file in png_files(path):
            hashed.update(f"{file.name} {file.stat().st_size}\n".encode())
            hashed.update(file.read_bytes())
        path = path / RECEIPT_FILE
    with _bytes_of(path) as data:
        start = 0
        for offset, stand_in in _before_sealing(data, place):
            _update(hashed, data, start, offset)
            hashed.update(stand_in)
            start = offset + len(stand_in)
        _update(hashed, data, start, len(data))
    return hashed.hexdigest()


def seal(path: Path) -> None:
    """Hash a file just written, whose receipt has zeros for its hash, and write the hash in their place."""
    place = find(path)
    digest = file_sha256(path, place).encode()
    with (path / RECEIPT_FILE if path.is_dir() else path).open("r+b") as file:
        file.seek(place.digest)
        file.write(digest)
        if place.chunk is not None:
            start, end = place.chunk
            file.seek(start)
            crc = zlib.crc32(file.read(end - start))
            file.write(struct.pack(">I", crc))


def replace_text(path: Path, old: str, new: str) -> None:
    """Write one receipt over another of the same length, in a film."""
    start = find(path).digest - old.encode().find(_MARK) - len(_MARK)
    assert len(old.encode()) == len(new.encode())
    with path.open("r+b") as file:
        file.seek(start)
        file.write(new.encode())


def insert_in_gif(path: Path, text: str) -> None:
    """Put a receipt into a GIF, as a comment before the first picture."""
    data = path.read_bytes()
    at = _gif_comment_place(data)
    path.write_bytes(data[:at] + _gif_comment(text) + data[at:])


def intact_frame(path: Path, place: ReceiptLocation) -> bool:
    """Whether the CRC around a PNG's receipt, which the hash leaves out, holds; True for other files."""
    if place.chunk is None:
        return True
    start, end = place.chunk
    with _bytes_of(path) as data:
        return data[end : end + 4] == struct.pack(">I", zlib.crc32(data[start:end]))


@contextmanager
def _bytes_of(path: Path) -> Generator[Buffer]:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield b""  # which mmap refuses
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def _before_sealing(data: Buffer, place: ReceiptLocation) -> list[tuple[int, bytes]]:
    """What stood in the file while it was hashed: offsets and bytes."""
    stood = [(place.digest, ZEROS.encode())]
    if place.chunk is not None:
        start, end = place.chunk
        chunk = bytearray(data[start:end])
        chunk[place.digest - start : place.digest - start + len(ZEROS)] = ZEROS.encode()
        stood.append((end, struct.pack(">I", zlib.crc32(chunk))))
    return stood


def _update(hashed: hashlib._Hash, data: Buffer, start: int, end: int) -> None:
    for at in range(start, end, _STEP):
        hashed.update(data[at : min(at + _STEP, end)])


# -- one finder per kind of file ---------------------------------------------------------------------------


def _digest_in(text: bytes, path: Path) -> int:
    """Offset of the digits in a receipt; no text inside a JSON string can look like the key before them."""
    at = text.find(_MARK)
    if at < 0 or text.find(_MARK, at + 1) >= 0:
        raise NoReceiptError(f"{path} has no receipt of Kinora's: it was not made here, or lost its metadata")
    return at + len(_MARK)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _find_in_folder(folder: Path) -> ReceiptLocation:
    file = folder / RECEIPT_FILE
    if not file.is_file():
        raise NoReceiptError(f"{folder} has no {RECEIPT_FILE}")
    if file.stat().st_size > LARGEST:
        raise InputError(f"{file} has {file.stat().st_size} bytes, at most {LARGEST} are read")
    raw = file.read_bytes()
    return ReceiptLocation(_text(raw), _digest_in(raw, file))


def _find_in_png(path: Path, data: Buffer) -> ReceiptLocation:
    head = b"iTXt" + TEXT_KEY.encode() + b"\0" * 5
    for name, start, end in png_chunks(data):
        if name == b"iTXt" and end - start <= LARGEST and data[start : start + len(head)] == head:
            raw = data[start + len(head) : end]
            return ReceiptLocation(_text(raw), start + len(head) + _digest_in(raw, path), (start, end))
    raise NoReceiptError(f"{path} has no receipt of Kinora's: it was not made here, or lost its metadata")


def _gif_comment_place(data: Buffer) -> int:
    """Offset after a GIF's header and global palette, where a receipt stands."""
    if len(data) < 13:
        return len(data)
    flags = data[10]
    return 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)


def _gif_comment(text: str) -> bytes:
    """A comment extension; the digits of the hash stand in one sub-block, so that they can be replaced."""
    raw = text.encode()
    digest = _digest_in(raw, Path("the receipt"))
    end = digest + len(ZEROS)
    pieces = [*_pieces(raw[: digest - len(_MARK)]), raw[digest - len(_MARK) : end], *_pieces(raw[end:])]
    return _GIF_COMMENT + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def _pieces(raw: bytes) -> list[bytes]:
    return [raw[at : at + 255] for at in range(0, len(raw), 255)]


def _find_in_gif(path: Path, data: Buffer) -> ReceiptLocation:
    at = _gif_comment_place(data)
    missing = NoReceiptError(f"{path} has no receipt of Kinora's: it was not made here, or lost its metadata")
    if data[at : at + 2] != _GIF_COMMENT:
        raise missing
    at, raw, digest = at + 2, b"", None
    while at < len(data) and data[at] and len(raw) <= LARGEST:
        piece = data[at + 1 : at + 1 + data[at]]
        if _MARK in piece:
            digest = at + 1 + _digest_in(piece, path)
        raw, at = raw + piece, at + 1 + data[at]
    if digest is None:
        raise missing
    return ReceiptLocation(_text(raw), digest)


def _find_in_film(path: Path, data: Buffer) -> ReceiptLocation:
    text = comment(path, DEMUXERS)
    raw = text.encode()
    inside = _digest_in(raw, path)
    at = data.find(raw)
    if at < 0 or data.find(raw, at + 1) >= 0:
        raise InputError(f"{path}: the receipt is damaged")
    return ReceiptLocation(text, at + inside)
