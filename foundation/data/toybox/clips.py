"""Toybox clips rendered once into a memory-mapped file."""

import os
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from shared.toybox.mix import toy_clip
from shared.toybox.scenes.sampling import Split

FRAMES = 17
"""Length of a rendered clip."""


def rendered_clips(
    folder: Path, count: int, world: str = "mix", split: Split = "train", size: int = 64
) -> np.ndarray:
    """(count, 17, size, size, 3) uint8, read from `folder` or rendered into it first.

    Clip i is the toybox's clip of seed i, so that a file never needs anything beside its name.
    """
    render = partial(_frames, world=world, split=split, size=size)
    path = folder / f"{world}-{split}-{count}-{size}.npy"
    return rendered(path, (count, FRAMES, size, size, 3), np.uint8, render)


def rendered(
    path: Path, shape: tuple[int, ...], dtype: type[np.generic], render: Callable[[int], np.ndarray]
) -> np.ndarray:
    """An array whose row i is `render(i)`, memory-mapped from `path`, or rendered into it first by all cores.

    Args:
        path: of the file.
        shape: of the array.
        dtype: of the array.
        render: a function that other processes can import.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        array = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=shape)
        with get_context("spawn").Pool(os.cpu_count()) as pool:
            for i, row in enumerate(pool.imap(render, range(len(array)), chunksize=32)):
                array[i] = row
        array.flush()
        part.rename(path)
    return np.load(path, mmap_mode="r")


def _frames(seed: int, world: str, split: Split, size: int) -> np.ndarray:
    return toy_clip(seed, world=world, split=split, size=size).frames
