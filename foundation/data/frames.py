"""From a file to the frames that a bucket wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from foundation.data.buckets import Bucket, nearest_frames
from foundation.data.folder import Item
from shared.media.film import look_through, picked
from shared.media.picture import covering, read_png

if TYPE_CHECKING:
    from numpy.typing import NDArray


def clip_frames(item: Item, bucket: Bucket, fps: float) -> NDArray[np.uint8]:
    """The clip from its beginning at another rate, resized and cut to the bucket's size around the middle.

    Returns:
        (F, H, W, 3) uint8.

    Raises:
        InputError: the file is no longer what it was when the folder was read.
    """
    if item.medium.still:
        pictures = iter([read_png(item.path)])
    else:
        times = look_through(item.path).times
        pictures = picked(item.path, nearest_frames(times.tolist(), fps, bucket.frames))
    return np.stack([covering(picture, bucket.height, bucket.width) for picture in pictures])
