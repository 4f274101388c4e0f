"""`kinora evaluate v2a`: whether sounds come when something happens, and whether they are of the right material.

Captions do not name the material, so that it must be seen. With the clips' pictures exchanged among them, what is left
is chance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.evaluation.cli import EvaluationRequest
from shared.config import setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from apps.v2a.conditioning.encoders import Encoders
    from apps.v2a.conditioning.sampled_frames import SampledFrames
    from apps.v2a.generator import Sampling, SoundMaker
    from apps.v2a.model.transformer import AudioTransformer
    from foundation.evaluation.report import Scores, Tally
    from shared.toybox.sounds.sound import ToySound

    Filmed = Callable[[ToySound, tuple[int, ...]], SampledFrames]

BATCH = 20
MINUTE = 60.0
VARYING = "varying fps"


@dataclass(frozen=True)
class Evaluation(EvaluationRequest):
    """Settings of `kinora evaluate v2a`."""

    count: int = setting(200, "held-out clips", minimum=2, maximum=100_000)
    minutes: int = setting(0, "clips of 60 s, at whose joins steps are measured", minimum=0, maximum=1000)
    rates: bool = setting(False, "the same clips at nine other frame rates, and at one that varies")
    steps: int | None = setting(None, "denoising steps", minimum=1, maximum=1000, unset="the model folder's")
    cfg: float | None = setting(
        None, "classifier-free guidance", minimum=0, maximum=100, unset="the model folder's"
    )
    shift: float | None = setting(None, "flow shift", minimum=0.01, maximum=100, unset="the model folder's")


def evaluate(request: Evaluation) -> Scores:
    """Judge the sounds of a model folder."""
    from apps.v2a.generator import Sampling
    from apps.v2a.pipeline import VideoToAudioPipeline
    from apps.v2a.toybox import RATES
    from foundation.evaluation.report import Scores, Tally
    from shared.console import progress
    from shared.toybox.sounds.sound import FPS

    maker = VideoToAudioPipeline.from_pretrained(request.model).maker
    sampling, tally = Sampling(request.steps, request.cfg, request.shift), Tally()
    rates = [FPS, *RATES] if request.rates else [FPS]
    figures: dict[str, float] = {}
    with progress(request.count * (len(rates) + 1 + request.rates), "judging") as bar:
        judging = Judging(maker, request.count, sampling, tally, bar.advance)
        for fps in rates:
            judging.judge(f"{fps:.5g} fps", at_rate(fps), 1 / fps)
        if request.rates:
            judging.judge(VARYING, varying, 1 / FPS)
        judging.judge(f"{FPS:g} fps, video shuffled", at_rate(FPS), 1 / FPS, shuffled=True)
    figures["seconds for a window of sound"] = judging.seconds_for_one()
    if request.minutes:
        figures |= steps_at_joins(maker, request.minutes, sampling)
    own = maker.defaults
    settings = {
        "clips": request.count,
        "steps": request.steps or own.steps,
        "cfg": own.cfg if request.cfg is None else request.cfg,
        "shift": request.shift or own.shift,
    }
    return Scores("v2a", settings, tally.shares(), figures)


def at_rate(fps: float) -> Filmed:
    """Clips as encoders see them when they were filmed at a rate."""
    from apps.v2a.toybox import seen

    return lambda toy, sides: seen(toy, fps, sides)


def varying(toy: ToySound, sides: tuple[int, ...]) -> SampledFrames:
    """A clip of which a camera left out frames as it pleased: 20 to 60 a second."""
    import numpy as np

    from apps.v2a.conditioning.sampled_frames import SampledFrames
    from apps.v2a.toybox import seen

    whole = seen(toy, 60.0, sides)
    count = len(whole.times[sides[0]])
    gaps = np.random.default_rng(toy.seed).integers(1, 4, count)
    kept = np.concatenate([[0], np.cumsum(gaps)])
    kept = kept[kept < count]
    return SampledFrames(
        whole.seconds,
        {side: whole.frames[side][kept] for side in sides},
        {side: whole.times[side][kept] for side in sides},
    )


class Judging:
    """Held-out clips, the sounds that they are given, and what the judges say."""

    def __init__(
        self, maker: SoundMaker, count: int, sampling: Sampling, tally: Tally, advance: Callable[[], None]
    ) -> None:
        from shared.toybox.sounds.sound import toy_sound

        seconds = maker.defaults.layout.window_seconds
        self.maker, self.sampling, self.tally, self.advance = maker, sampling, tally, advance
        self.toys = [toy_sound(seed, "heldout", seconds) for seed in range(count)]

    def judge(
        self,
        group: str,
        filmed: Filmed,
        frame: float,
        shuffled: bool = False,
    ) -> list[NDArray[np.float32]]:
        """Give every clip a sound and count what is right.

        Args:
            group: row of the table.
            filmed: how encoders see a clip.
            frame: seconds of one; an impact may be late by so much, where that is more than the judges' tolerance.
            shuffled: each clip is given the next one's picture.

        Returns:
            The sounds.
        """
        sounds = []
        for toy, waveform in zip(self.toys, self._sounds(filmed, shuffled), strict=True):
            count_right(self.tally, group, waveform, toy, frame)
            sounds.append(waveform)
            self.advance()
        return sounds

    def seconds_for_one(self) -> float:
        """Seconds in which one clip's sound is made, the picture seen before."""
        start = time.perf_counter()
        self._make([{}], ["a ball bounces"], [0])
        return time.perf_counter() - start

    def _sounds(self, filmed: Filmed, shuffled: bool) -> Iterator[NDArray[np.float32]]:
        import numpy as np

        from shared.toybox.sounds.captions import caption_sound

        maker, toys = self.maker, self.toys
        layout, sides = maker.defaults.layout, tuple(maker.encoders.rates)
        for start in range(0, len(toys), BATCH):
            seeds = range(start, min(start + BATCH, len(toys)))
            shown = [toys[(seed + shuffled) % len(toys)] for seed in seeds]
            visual = [maker.encoders.see(filmed(toy, sides), layout.window) for toy in shown]
            prompts = [
                caption_sound(toys[seed].facts, np.random.default_rng([seed, 9]), material=False)
                for seed in seeds
            ]
            yield from self._make(visual, prompts, list(seeds))

    def _make(self, visual: list, prompts: list[str], seeds: list[int]) -> NDArray[np.float32]:
        maker, layout = self.maker, self.maker.defaults.layout
        wanted = maker.conditions(visual, prompts)
        unwanted = maker.conditions([{}], [""])
        latents = maker.denoise(wanted, unwanted, maker.noise(seeds, layout.window), self.sampling)
        return maker.to_waveforms(latents, layout.window * layout.samples_per_token)


def count_right(
    tally: Tally, group: str, waveform: NDArray[np.float32], toy: ToySound, frame: float = 0.0
) -> None:
    """Count each event that is heard, each onset that is an event, and the material of clips with events."""
    from shared.toybox.judges.sounds import TOLERANCE, find_onsets, judge_material, match_onsets

    facts = toy.facts
    match = match_onsets(list(find_onsets(waveform)), facts.events, max(TOLERANCE, frame))
    for name, right, wrong in (
        ("events heard", len(match.shifts), match.missed),
        ("onsets true", len(match.shifts), match.false),
    ):
        for answer in [True] * right + [False] * wrong:
            tally.add(group, {name: answer})
    if facts.events:
        tally.add(group, {"material": judge_material(waveform) == facts.material})


def steps_at_joins(maker: SoundMaker, count: int, sampling: Sampling) -> dict[str, float]:
    """How much louder, and how different, sounds of a minute become where windows meet, over what they do elsewhere."""
    import numpy as np

    from apps.v2a.toybox import seen
    from shared.toybox.judges.sounds import join_ratio
    from shared.toybox.sounds.captions import caption_sound
    from shared.toybox.sounds.sound import FPS, toy_sound

    layout = maker.defaults.layout
    tokens = layout.tokens(MINUTE)
    windows = layout.windows(tokens)
    edges = sorted({w.start for w in windows[1:]} | {w.stop for w in windows[:-1]})
    ratios = []
    for seed in range(count):
        toy = toy_sound(seed, "heldout", MINUTE)
        visual = maker.encoders.see(seen(toy, FPS, tuple(maker.encoders.rates)), tokens)
        wanted = maker.conditions([visual], [caption_sound(toy.facts, material=False)])
        latents = maker.denoise(wanted, maker.conditions([{}], [""]), maker.noise([seed], tokens), sampling)
        waveform = maker.to_waveforms(latents, layout.samples(MINUTE))[0]
        ratios.append(join_ratio(waveform, [edge / layout.token_rate for edge in edges], layout.sample_rate))
    level, spectrum = np.mean(ratios, axis=0)
    return {
        "level step at joins / elsewhere": float(level),
        "spectrum step at joins / elsewhere": float(spectrum),
    }


class JudgedSounds:
    """Called with a step's number while a model trains, writes `samples-STEP.wav` and returns the judges' scores."""

    def __init__(self, model: AudioTransformer, encoders: Encoders, count: int, folder: Path) -> None:
        from apps.v2a.checkpoints import SoundDefaults
        from apps.v2a.generator import SoundMaker

        self.maker = SoundMaker(model, encoders, SoundDefaults(encoders.layout), model.device)
        self.count, self.folder = count, folder

    def __call__(self, step: int) -> dict[str, float]:
        """Shares of right answers."""
        import numpy as np

        from apps.v2a.generator import OWN
        from foundation.evaluation.report import Tally
        from shared.media.sound import Sound, write_wav
        from shared.toybox.sounds.sound import FPS

        tally = Tally()
        sounds = Judging(self.maker, self.count, OWN, tally, lambda: None).judge("", at_rate(FPS), 1 / FPS)
        joined = np.concatenate(sounds)[None]
        write_wav(
            Sound(joined, self.maker.defaults.layout.sample_rate), self.folder / f"samples-{step:08d}.wav"
        )
        return {"events heard": 0.0, "onsets true": 0.0, "material": 0.0} | tally.shares().get("", {})
