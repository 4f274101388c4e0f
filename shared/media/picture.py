"""Still pictures: PNG with text in it, folders of PNGs, contact sheets."""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageOps, PngImagePlugin, UnidentifiedImageError

from shared.errors import InputError
from shared.media.files import replacing
from shared.media.limits import check_pixels
from shared.media.naming import sheet_path

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from shared.results.clip import FrameSource

    Buffer = bytes | mmap.mmap

    Frames = NDArray[np.uint8]

PNG_HEAD = b"\x89PNG\r\n\x1a\n"

TEXT_KEY = "kinora"
"""The keyword of the iTXt chunk that holds a receipt."""

SHEET_TILES = 12
SHEET_TILE_SIDE = 160
SHEET_CAPTION = 14
SHEET_GAP = 4


def write_png(frame: NDArray[np.uint8], path: Path, text: str | None = None) -> None:
    """Write one frame, (H, W, 3) uint8, as a PNG, with `text` in an iTXt chunk."""
    info = PngImagePlugin.PngInfo()
    if text is not None:
        info.add_itxt(TEXT_KEY, text)
    Image.fromarray(frame).save(path, pnginfo=info)


def read_png(path: Path, note: Callable[[str], None] | None = None) -> NDArray[np.uint8]:
    """The picture in a PNG (or another still format that Pillow knows), upright, as (H, W, 3) uint8.

    Args:
        path: The file; its content decides, not its name.
        note: Told what was lost on the way: transparency, levels beyond 8 bits, colours that are not RGB.

    Raises:
        InputError: The file is missing, damaged, no picture, or moves.
    """
    try:
        with Image.open(path) as picture:
            moving = getattr(picture, "n_frames", 1)
            if moving > 1 and picture.format != "MPO":  # a photograph with its preview
                raise InputError(f"{path} moves ({moving} frames); a still picture is wanted")
            check_pixels(path, *picture.size)
            upright, lost = _in_rgb(ImageOps.exif_transpose(picture))
    except (UnidentifiedImageError, EOFError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large: {error}") from error
    if note is not None:
        for line in lost:
            note(f"{path.name}: {line}")
    return np.asarray(upright)


def _in_rgb(picture: Image.Image) -> tuple[Image.Image, list[str]]:
    """The picture in 8-bit sRGB, and what was converted or lost on the way."""
    if picture.mode == "F":
        return _from_float(np.asarray(picture))
    picture, profile = _in_srgb(picture)
    plain, lost = _in_8_bits(picture)
    return plain, [line for line in (profile, lost) if line]


def _from_float(levels: NDArray[np.float32]) -> tuple[Image.Image, list[str]]:
    """Levels of 0 to 1 as 0 to 255; others from the least to the greatest of them."""
    finite = levels[np.isfinite(levels)]
    if not finite.size:
        raise ValueError("it holds no finite level")
    low, high = (0.0, 1.0) if finite.min() >= 0 and finite.max() <= 1 else (finite.min(), finite.max())
    scaled = (np.nan_to_num(levels, nan=low, posinf=high, neginf=low) - low) / max(high - low, 1e-12)
    gray = np.rint(255 * scaled.clip(0, 1)).astype(np.uint8)
    return Image.fromarray(gray).convert("RGB"), [f"float levels from {low:g} to {high:g} become 8-bit"]


def _in_srgb(picture: Image.Image) -> tuple[Image.Image, str]:
    """The picture with its colours in sRGB, as its ICC profile says, and the profile's name; '' without one."""
    raw = picture.info.get("icc_profile")
    if not raw or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture, ""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(raw))
        name = ImageCms.getProfileDescription(profile).strip()
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(
            picture, profile, ImageCms.createProfile("sRGB"), outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture, "its colour profile cannot be read: colours are taken for sRGB"
    if converted is None or "srgb" in name.lower():
        return picture, ""
    return converted, f"colours of {name} become sRGB"


def _in_8_bits(picture: Image.Image) -> tuple[Image.Image, str]:
    """The picture in 8-bit RGB, and what that took away from it; '' for nothing."""
    if picture.mode.startswith("I"):
        levels = np.asarray(picture).clip(0, 65535) // 257
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB"), "16-bit levels become 8-bit"
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(layered)
        opaque = layered.getchannel("A").getextrema() == (255, 255)
        return ground.convert("RGB"), "" if opaque else "what is transparent becomes white"
    return picture.convert("RGB"), "CMYK becomes RGB" if picture.mode == "CMYK" else ""


def covering(frame: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The frame resized until it covers height x width, and the middle of that: (height, width, 3) uint8."""
    return np.asarray(ImageOps.fit(Image.fromarray(frame), (width, height), Image.Resampling.LANCZOS))


def contained(frame: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The frame resized until it fits into height x width, with black bars: (height, width, 3) uint8."""
    return np.asarray(ImageOps.pad(Image.fromarray(frame), (width, height), Image.Resampling.LANCZOS))


def write_png_folder(frames: FrameSource, folder: Path) -> None:
    """Write frames as `00000.png`, `00001.png`, ... into a new folder."""
    folder.mkdir()
    for index, frame in enumerate(frames):
        write_png(frame, folder / f"{index:05}.png")


def png_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names.

    Raises:
        InputError: There are none.
    """
    files = sorted(folder.glob("*.png"))
    if not files:
        raise InputError(f"{folder} holds no .png files")
    return files


def read_png_folder(folder: Path) -> Frames:
    """The frames of a folder of PNGs, (F, H, W, 3) uint8.

    Raises:
        InputError: No pictures, or pictures of different sizes.
    """
    files = png_files(folder)
    frames = [read_png(file) for file in files]
    for file, frame in zip(files, frames, strict=True):
        if frame.shape != frames[0].shape:
            height, width = frame.shape[:2]
            raise InputError(f"{file} is {width}x{height}, the pictures before it are of another size")
    return np.stack(frames)


def contact_sheet(frames: Frames, fps: float) -> NDArray[np.uint8]:
    """Up to twelve frames, evenly spread, first and last included, side by side with their times.

    Args:
        frames: (F, H, W, 3) uint8.
        fps: Frames per second, for the times.

    Returns:
        One picture, (H', W', 3) uint8; small frames are enlarged by a whole factor.
    """
    count = min(len(frames), SHEET_TILES)
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    height, width = frames.shape[1:3]
    scale = max(1, SHEET_TILE_SIDE // max(height, width))
    columns = math.ceil(math.sqrt(count * height / width)) if count > 1 else 1
    step_x, step_y = width * scale + SHEET_GAP, height * scale + SHEET_GAP + SHEET_CAPTION
    rows = math.ceil(count / columns)
    sheet = Image.new("RGB", (columns * step_x + SHEET_GAP, rows * step_y + SHEET_GAP), (24, 24, 24))
    pen = ImageDraw.Draw(sheet)
    for place, index in enumerate(chosen):
        x, y = SHEET_GAP + place % columns * step_x, SHEET_GAP + place // columns * step_y
        tile = Image.fromarray(frames[index]).resize(
            (width * scale, height * scale), Image.Resampling.NEAREST
        )
        sheet.paste(tile, (x, y))
        pen.text((x, y + height * scale + 1), f"{index / fps:.2f} s", fill=(200, 200, 200))
    return np.asarray(sheet)


def write_sheet(picture: NDArray[np.uint8], clip: Path) -> Path:
    """Write the PNG that belongs to a clip or a sound, in one piece, and return where it is."""
    path = sheet_path(clip)
    with replacing(path) as temporary:
        write_png(picture, temporary)
    return path


def pixels_sha256(frames: FrameSource) -> str:
    """The hash of pixels without any codec: the shape, then (F, H, W, 3) uint8 in C order."""
    digest = hashlib.sha256("x".join(map(str, frames.shape)).encode())
    for frame in frames:
        digest.update(frame.tobytes())
    return digest.hexdigest()


def png_chunks(data: Buffer) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk in a PNG: what its CRC covers, the name included; the CRC follows."""
    at = len(PNG_HEAD)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            return
        yield data[at + 4 : at + 8], at + 4, end
        at = end + 4


def png_sha256(files: Iterable[Path]) -> str:
    """The hash over the picture in each PNG, which leaves out texts and other extras."""
    digest = hashlib.sha256()
    for file in files:
        data = file.read_bytes()
        for name, start, end in png_chunks(data):
            if name[:1].isupper():  # a critical chunk, as the PNG specification has it (section 5.4)
                digest.update(data[start:end])
    return digest.hexdigest()
