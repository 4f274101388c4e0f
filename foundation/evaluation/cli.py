"""`kinora evaluate NAME`: judge a model, print the table, and keep it beside the weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.checkpoints.lora.source import Lora, check_loras
from foundation.checkpoints.registry import find_parts, locate
from foundation.models.geometry import check_frames, check_size
from foundation.runtime.preflight import check_memory
from foundation.t2v.request import VideoSettings
from shared.config import Size, check, from_argv, near_miss, one_of, setting, shorten
from shared.console import note, overview, printable, progress, result, run
from shared.errors import CheckFailed, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from foundation.evaluation.report import Scores
    from foundation.evaluation.t2v import Prompt
    from foundation.runtime.video_pipeline import VideoPipeline

USAGE = "kinora evaluate NAME [flags]"


@dataclass(frozen=True)
class Measure:
    """An evaluation: its line of help, and a function that gives its settings and what carries it out.

    The function is called when the evaluation is asked for, so that nobody waits for another's modules.
    """

    help: str
    open: Callable[[], tuple[type[EvaluationRequest], Callable[..., Scores]]]


@dataclass(frozen=True)
class EvaluationRequest:
    """Settings that every evaluation has."""

    model: str = setting("starter", "a registered name or a folder")
    count: int = setting(100, "held-out clips per world", minimum=1, maximum=100_000)
    save: bool = setting(False, "keep the scores beside the weights and write their page")
    fail_under: float | None = setting(None, "exit 3 when a share is lower", minimum=0, maximum=1)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class VAERequest(EvaluationRequest):
    """Settings of `kinora evaluate vae`."""

    size: int = setting(
        128, "width and height of the clips in pixels, a multiple of 16", minimum=16, maximum=512
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(Size(self.size, self.size))


@dataclass(frozen=True)
class TextRequest(EvaluationRequest):
    """Settings of `kinora evaluate text`."""

    count: int = setting(400, "held-out cases of each kind", minimum=64, maximum=100_000)


@dataclass(frozen=True)
class TextToVideoEvaluation(EvaluationRequest):
    """Settings of `kinora evaluate t2v`."""

    count: int = setting(
        200,
        "held-out prompts with one object; half as many with two, with a moving camera, and with a puppet",
        minimum=2,
        maximum=100_000,
    )
    size: Size | None = setting(None, "pixels", metavar="WIDTHxHEIGHT", unset="the model folder's")
    frames: int | None = setting(
        None, "frames, 4k + 1", minimum=1, maximum=10_000, unset="the model folder's"
    )
    steps: int | None = setting(None, "denoising steps", minimum=1, maximum=1000, unset="the model folder's")
    cfg: float | None = setting(
        None, "classifier-free guidance", minimum=0, maximum=100, unset="the model folder's"
    )
    shift: float | None = setting(None, "flow shift", minimum=0.01, maximum=100, unset="the model folder's")
    lora: tuple[Lora, ...] = setting(
        (), "a LoRA on top of the model; may be given several times", metavar="FILE[:SCALE]", local=True
    )
    sheet: Path | None = setting(None, "a PNG with clips of the first prompts", unset="none", local=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None:
            check_size(self.size)
        if self.frames is not None:
            check_frames(self.frames)
        if self.save and self.lora:
            raise InputError(
                f"--save keeps the scores of the model alone, not those with {self.lora[0].file}: leave out one"
            )

    def check_run(self, app: str | None = None) -> None:
        """Refuse what can be known to be wrong before torch is imported: LoRAs, the model, memory.

        Args:
            app: whose weights are judged.

        Raises:
            KinoraError: the line says what.
        """
        check_loras(self.lora)
        clip = VideoSettings(model=self.model, size=self.size, frames=self.frames)
        check_memory(clip, find_parts(self.model, app=app))


def main(argv: Sequence[str], measures: Mapping[str, Measure] | None = None) -> None:
    """Measure what is named first.

    Args:
        argv: the command line.
        measures: to choose from; the apps bring more than the foundation's own, which are the default.

    Raises:
        InputError: an unknown name or flag.
        CheckFailed: a share below `--fail-under`.
    """
    measures = MEASURES if measures is None else measures
    if not argv or argv[0] in ("-h", "--help"):
        result(overview(USAGE, {name: measure.help for name, measure in measures.items()}))
        return
    name, *flags = argv
    if name not in measures:
        raise InputError(
            f"unknown evaluation {shorten(name)}{near_miss(name, measures)}: {one_of(measures)} expected"
        )
    settings, measure = measures[name].open()
    request = from_argv(settings, flags, f"kinora evaluate {name}", "Judge a model on the toybox.")
    locate(request.model)
    note(f"loading {printable(request.model)}")
    scores = measure(request)
    result(scores.table())
    if request.save:
        from foundation.checkpoints.registry import resolve
        from foundation.evaluation.report import write_page

        folder = resolve(request.model)
        scores.write(folder / "evaluation" / f"{scores.name}.json")
        note(f"written: {write_page(folder)}")
    lowest, place = scores.lowest()
    if request.fail_under is not None and lowest < request.fail_under:
        raise CheckFailed(f"{place} reached {lowest:.3f}, below {request.fail_under:g}")


def _vae(request: VAERequest) -> Scores:
    import torch

    from foundation.checkpoints.loading import load_model
    from foundation.checkpoints.registry import resolve
    from foundation.evaluation.vae import evaluate_tiling, evaluate_vae
    from foundation.models.vae.model import CausalVideoVAE

    vae = load_model(CausalVideoVAE, resolve(request.model) / "vae", torch.float32)
    scores = evaluate_vae(vae, request.count, request.size)
    scores.figures |= evaluate_tiling(vae, max(1, request.count // 10))
    return scores


def _text(request: TextRequest) -> Scores:
    from foundation.checkpoints.registry import resolve
    from foundation.evaluation.text import evaluate_text

    return evaluate_text(resolve(request.model), request.count)


def _t2v(request: TextToVideoEvaluation) -> Scores:
    request.check_run()

    from foundation.evaluation.t2v import evaluate_t2v, prompt_counts
    from foundation.t2v.pipeline import TextToVideoPipeline

    pipe = TextToVideoPipeline.from_pretrained(request.model, lora=request.lora, note=note)
    return judge_clips(request, pipe, evaluate_t2v, sum(prompt_counts(request.count).values()))


def judge_clips(
    request: TextToVideoEvaluation, pipe: VideoPipeline, evaluate: Callable[..., Scores], clips: int
) -> Scores:
    """Let the judges see a model's clips, with a progress bar and, where it was asked for, a sheet.

    Args:
        request: how many clips, and how they are made.
        pipe: the model.
        evaluate: called with the model, the count, the sampling, and what is shown every clip.
        clips: how many it makes.
    """
    from foundation.evaluation.t2v import Sampling
    from foundation.evaluation.watch import Sheet

    own = pipe.defaults
    sampling = Sampling(
        request.steps or own.steps,
        own.cfg if request.cfg is None else request.cfg,
        own.shift if request.shift is None else request.shift,
        request.size,
        request.frames,
    )
    sheet = Sheet()
    with progress(clips, "judging") as bar:

        def seen(prompt: Prompt, frames: NDArray[np.uint8], answers: dict[str, bool]) -> None:
            sheet.add(prompt, frames, answers)
            bar.advance()

        scores = evaluate(pipe, request.count, sampling, seen)
    if request.sheet is not None:
        sheet.write(request.sheet)
        note(f"written: {request.sheet}")
    return scores


MEASURES = {
    "vae": Measure("what the judges lose on reconstructions", lambda: (VAERequest, _vae)),
    "text": Measure("what the text encoders know of prompts and pictures", lambda: (TextRequest, _text)),
    "t2v": Measure("prompts that training never saw", lambda: (TextToVideoEvaluation, _t2v)),
}


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
