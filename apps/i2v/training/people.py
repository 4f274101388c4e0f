"""Which clips of people are trained on: not of crowds, and none in which the person is small (paper, section 7.2.2).

Who finds persons stands behind one interface; torchvision's detector is one, its weights are the user's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from apps.i2v.training.config import People
from foundation.checkpoints.hashes import file_sha256
from foundation.checkpoints.pickles import check_pickle
from shared.config import local_path, text_lines
from shared.console import note
from shared.errors import InputError, WeightsError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from foundation.data.folder.buckets import Bucket
    from foundation.data.folder.cache import Refuse
    from foundation.data.folder.folder import Item

Detector = Callable[[Sequence["NDArray[np.uint8]"]], "list[NDArray[np.floating]]"]
"""Maps pictures (H, W, 3) uint8 to the boxes (n, 4) of the persons in each: left, top, right, bottom in pixels."""

PERSON = 1
"""The label of persons in COCO."""
LEAST_SURE = 0.7


@dataclass(frozen=True)
class Persons:
    """What was seen of people in a clip: the most in one frame, and the largest one's share of the height."""

    persons: int
    height: float


def people_filter(people: People, fps: float, cache: str) -> Refuse:
    """Refuses pictures, which show no motion, and clips by the people in them.

    Args:
        people: the rules.
        fps: at which clips are used.
        cache: where what was seen is kept, so that nothing is looked at twice.
    """
    look = None
    if people.detector is not None:
        file = local_path(people.detector)
        look = PersonCounter(
            load_detector(file), people.looks, fps, Path(cache) / f"people-{file_sha256(file)[:16]}.jsonl"
        )

    def refuse(item: Item, bucket: Bucket) -> None:
        if bucket.still:
            raise InputError("a picture: image-to-video is trained on clips")
        if look is not None:
            check_people(look(item, bucket), people)

    return refuse


def check_people(seen: Persons, people: People) -> None:
    """Refuse a clip by what was seen in it.

    Raises:
        InputError: nobody, too many, or too small.
    """
    if not seen.persons:
        raise InputError("no person is seen")
    if seen.persons > people.most:
        raise InputError(f"{seen.persons} persons are seen, at most {people.most} are trained on")
    if seen.height < people.smallest:
        raise InputError(
            f"the largest person takes {seen.height:.0%} of the height, at least {people.smallest:.0%} are wanted"
        )


class PersonCounter:
    """Looks at a few frames of every clip, once."""

    def __init__(self, detector: Detector, looks: int, fps: float, record: Path) -> None:
        self.detector, self.looks, self.fps, self.record = detector, looks, fps, record
        self.known = _read(record)

    def __call__(self, item: Item, bucket: Bucket) -> Persons:
        """What is seen of people in a clip."""
        key = f"{item.medium.sha256}-{bucket}-{self.fps:g}-{self.looks}"
        if key not in self.known:
            self.known[key] = self._look(item, bucket)
            self.record.parent.mkdir(parents=True, exist_ok=True)
            with self.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, self.known[key].persons, self.known[key].height]) + "\n")
        return self.known[key]

    def _look(self, item: Item, bucket: Bucket) -> Persons:
        from foundation.data.folder.cache import clip_frames

        frames = clip_frames(item, bucket, self.fps)
        chosen = np.linspace(0, len(frames) - 1, self.looks).round().astype(int)
        boxes = self.detector([frames[at] for at in chosen])
        heights = [float((box[:, 3] - box[:, 1]).max()) / bucket.height for box in boxes if len(box)]
        return Persons(max(map(len, boxes)), max(heights, default=0.0))


def load_detector(file: Path) -> Detector:
    """Torchvision's small detector with a user's file of weights.

    Raises:
        WeightsError: the file is missing, or holds anything else.
    """
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

    model = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None).eval()
    try:
        check_pickle(file)
        model.load_state_dict(torch.load(file, weights_only=True, map_location="cpu"))
    except Exception as error:  # torch names no common class for what a stranger's file can cause
        raise WeightsError(
            f"{file} holds no weights of fasterrcnn_mobilenet_v3_large_320_fpn: {first_line(error)}"
        ) from error

    @torch.no_grad()
    def detect(pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.floating]]:
        found = model([torch.from_numpy(picture).permute(2, 0, 1) / 255 for picture in pictures])
        sure = [(one["labels"] == PERSON) & (one["scores"] >= LEAST_SURE) for one in found]
        return [one["boxes"][kept].numpy() for one, kept in zip(found, sure, strict=True)]

    return detect


def _read(record: Path) -> dict[str, Persons]:
    if not record.exists():
        return {}
    known = {}
    for line in text_lines(record.read_text(encoding="utf-8")):
        try:
            key, persons, height = json.loads(line)
            known[key] = Persons(int(persons), float(height))
        except (ValueError, TypeError):
            note(f"{record}: a line is damaged, its clip is looked at again")
    return known
