"""Speech, music and other sounds as an audio classifier hears them: a folder of transformers' classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError

from apps.v2a.curation.activity import TAGS, Activity, Tag
from foundation.checkpoints.hashes import files_sha256
from shared.errors import WeightsError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS: dict[Tag, tuple[str, ...]] = {
    "speech": ("speech", "speaking", "conversation", "narration", "monologue", "shout", "whispering"),
    "music": (
        *(
            "music",
            "musical",
            "singing",
            "song",
            "choir",
            "orchestra",
            "guitar",
            "piano",
            "keyboard",
            "organ",
        ),
        *("drum", "violin", "cello", "flute", "saxophone", "trumpet", "synthesizer", "harp", "accordion"),
    ),
}
"""What labels of a tag are called in AudioSet's ontology and those made after it."""

NOTHING = ("silence", "no sound")
"""Labels that tag nothing; every other one is a sound."""

SECONDS = 1.0
"""What is listened to at a time: a frame."""

AT_ONCE = 16
"""Frames in one pass."""

LEAST = 0.3
"""Probability of a tag."""


class ClassifierDetector:
    """A classifier as a `Detector`.

    Args:
        folder: of the model and its feature extractor, with safetensors.

    Raises:
        WeightsError: they are missing or damaged, or no label names speech, or music.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        if not (folder / "config.json").is_file():
            raise WeightsError(f"{folder} holds no audio classifier: config.json is missing")
        try:
            self.extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
            self.model = AutoModelForAudioClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()
        except (OSError, ValueError, RuntimeError, TypeError, KeyError, SafetensorError) as error:
            raise WeightsError(
                f"{folder} cannot be loaded as an audio classifier: {first_line(error)}"
            ) from error
        labels = self.model.config.id2label
        self.tags = [tag_of(labels[place]) for place in range(len(labels))]
        for tag in WORDS:
            if tag not in self.tags:
                raise WeightsError(f"{folder} has {len(labels)} labels, and none of them names {tag}")
        self.sample_rate = int(self.extractor.sampling_rate)
        files = {file.name: file for file in sorted(folder.glob("*.safetensors"))}
        self.identity = "classifier-" + "-".join(digest[:16] for digest in files_sha256(files).values())

    @torch.no_grad()
    def __call__(self, waveform: NDArray[np.float32]) -> Activity:
        """See `Detector`."""
        size = round(SECONDS * self.sample_rate)
        padded = np.pad(waveform, (0, -len(waveform) % size))
        frames = padded.reshape(-1, size)
        likely = torch.cat([self._likely(frames[i : i + AT_ONCE]) for i in range(0, len(frames), AT_ONCE)])
        columns = {tag: [place for place, other in enumerate(self.tags) if other == tag] for tag in TAGS}
        return Activity(
            1 / SECONDS,
            {tag: (likely[:, places] >= LEAST).any(dim=1).numpy() for tag, places in columns.items()},
        )

    def _likely(self, frames: NDArray[np.float32]) -> torch.Tensor:
        """The probability of every label in frames (N, samples): (N, labels)."""
        inputs = self.extractor(list(frames), sampling_rate=self.sample_rate, return_tensors="pt")
        logits = self.model(**inputs).logits.float()
        several = self.model.config.problem_type == "multi_label_classification"
        return logits.sigmoid() if several else logits.softmax(dim=-1)


def tag_of(label: str) -> Tag | None:
    """What a label says; None where it says that nothing is heard."""
    words = label.lower()
    if any(word in words for word in NOTHING):
        return None
    return next((tag for tag, known in WORDS.items() if any(word in words for word in known)), "sound")
