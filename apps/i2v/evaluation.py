"""`kinora evaluate i2v`: what becomes of held-out pictures, and of clips that go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.evaluation.cli import TextToVideoEvaluation, judge_clips
from shared.config import setting
from shared.console import note

if TYPE_CHECKING:
    from foundation.evaluation.report import Scores


@dataclass(frozen=True)
class Evaluation(TextToVideoEvaluation):
    """Settings of `kinora evaluate i2v`."""

    count: int = setting(
        200,
        "held-out pictures of one object; half as many puppets, and first and last pictures; a twentieth go on",
        minimum=2,
        maximum=100_000,
    )


def evaluate(request: Evaluation) -> Scores:
    """Judge a model that takes pictures."""
    request.check_run("i2v")

    from apps.i2v.metrics import case_counts, held_out_loss, judge_extensions, judge_pictures
    from apps.i2v.pipeline import ImageToVideoPipeline

    pipe = ImageToVideoPipeline.from_pretrained(request.model, lora=request.lora, note=note)
    scores = judge_clips(request, pipe, judge_pictures, sum(case_counts(request.count).values()))
    shares, figures = judge_extensions(
        pipe, max(1, request.count // 20), request.steps, request.cfg, request.shift
    )
    scores.shares |= shares
    scores.figures |= figures | held_out_loss(pipe, request.count)
    return scores
