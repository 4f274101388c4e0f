"""What a sweep made, side by side: a contact sheet and a page beside its table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from PIL import Image, ImageDraw, ImageOps

from shared.errors import KinoraError
from shared.media.files import replacing

SIDE, CAPTION, GAP = 192, 30, 6
"""Pixels of a tile, of the two lines below it, and between tiles."""

LONGEST_LINE = 32
"""Characters below a tile."""

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sweep</title>
<style>body {{ font: 14px system-ui; background: #181818; color: #ccc }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 12px }}
figure {{ margin: 0 }} img, video, audio {{ width: 100% }} a {{ color: inherit }}</style>
<main>
{tiles}
</main></html>
"""

Made = Sequence[tuple[Path, Mapping[str, str]]]
"""Files, and the settings that made each."""


def write_grid(made: Made, table: Path) -> list[Path]:
    """Write the page, and the contact sheet where anything can be seen, beside a sweep's table.

    Args:
        made: in the folder of the table.
        table: the CSV; the others have its name with another suffix.

    Returns:
        Where they are.
    """
    varied = _varied(made)
    page, sheet = table.with_suffix(".html"), table.with_suffix(".png")
    tiles = "\n".join(_tile(file, told) for file, told in varied)
    with replacing(page) as temporary:
        temporary.write_text(_PAGE.format(tiles=tiles), encoding="utf-8")
    seen = [(frame, told) for file, told in varied if (frame := _frame(file)) is not None]
    if not seen:
        return [page]
    with replacing(sheet) as temporary:
        _sheet(seen).save(temporary, "PNG")
    return [page, sheet]


def _varied(made: Made) -> list[tuple[Path, list[str]]]:
    """Each file with the settings that differ between them, as text."""
    names = [name for name in (made[0][1] if made else {}) if len({told[name] for _, told in made}) > 1]
    return [(file, [f"{name} {told[name]}" for name in names]) for file, told in made]


def _tile(file: Path, told: Sequence[str]) -> str:
    name, words = quote(file.name), escape(", ".join(told) or file.stem)
    kind = {".mp4": "video controls loop muted", ".wav": "audio controls", ".mkv": ""}.get(file.suffix, "img")
    shown = f'<{kind} src="{name}">' if kind else ""
    closed = f"</{kind.split()[0]}>" if " " in kind else ""
    return f'<figure>{shown}{closed}<figcaption><a href="{name}">{words}</a></figcaption></figure>'


def _frame(file: Path) -> Image.Image | None:
    """The frame in the middle of a film, or the picture; None for a sound and what cannot be read."""
    from shared.media.film import look_through, picked
    from shared.media.picture import read_png

    try:
        if file.suffix == ".png":
            return Image.fromarray(read_png(file))
        if file.suffix == ".wav":
            return None
        (frame,) = picked(file, [len(look_through(file).times) // 2])
    except KinoraError:
        return None
    return Image.fromarray(frame)


def _sheet(seen: Sequence[tuple[Image.Image, Sequence[str]]]) -> Image.Image:
    columns = math.ceil(math.sqrt(len(seen)))
    step_x, step_y = SIDE + GAP, SIDE + CAPTION + GAP
    rows = math.ceil(len(seen) / columns)
    sheet = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), (24, 24, 24))
    pen = ImageDraw.Draw(sheet)
    for place, (frame, told) in enumerate(seen):
        x, y = GAP + place % columns * step_x, GAP + place // columns * step_y
        sheet.paste(ImageOps.contain(frame, (SIDE, SIDE), Image.Resampling.NEAREST), (x, y))
        lines = [line[:LONGEST_LINE] for line in told[:2]]
        pen.multiline_text((x, y + SIDE + 1), "\n".join(lines), fill=(200, 200, 200))
    return sheet
