"""`kinora t2v`: generate video from a prompt."""

from __future__ import annotations

import dataclasses
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from foundation.checkpoints.lora.source import check_loras
from foundation.checkpoints.registry import find_parts
from foundation.checkpoints.vocabulary import describe_unknown
from foundation.runtime.host import TERMINAL, Host
from foundation.runtime.preflight import check_machine, check_memory
from foundation.t2v.request import TextToVideoRequest, read_prompts, resolve
from shared.config import from_argv, from_mapping, to_mapping
from shared.console import note, run
from shared.errors import InputError
from shared.media.naming import Output, sheet_path

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.t2v.pipeline import TextToVideoPipeline
    from shared.results import Clip

RANDOM_SEEDS = 2**32
"""Seeds that are drawn where nobody names one."""


def main(argv: list[str]) -> None:
    """Read the flags and make the clips.

    Raises:
        KinoraError: A flag, the model or the place for the result is refused.
    """
    make(from_argv(TextToVideoRequest, argv, "kinora t2v", "Generate video from a prompt."))


def as_given(prompts: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Prompts as the user wrote them, with nothing for their receipts."""
    return [(prompt, {}) for prompt in prompts]


def make(
    request: TextToVideoRequest,
    prepare: Callable[[list[str]], list[tuple[str, dict[str, Any]]]] = as_given,
    host: Host = TERMINAL,
) -> list[Path]:
    """Make every clip of a request and print where it is.

    What needs no model (prompts, LoRA files, machine, the place for the clips) is checked before torch is imported.

    Args:
        request: What to make.
        prepare: Gives each prompt as the model shall read it, with what else its receipt says of it.
        host: Loads the model and watches the steps.

    Returns:
        The paths of the clips in the order of prompts, then of seeds.
    """
    prompts = read_prompts(request)
    output = Output.plan(request.out, request.format, several=len(prompts) * request.count > 1)
    check_loras(request.lora)
    check_machine(request)
    parts = find_parts(request.model, request.base, own=request.own_parts())
    check_memory(request, parts)
    first = first_seed(request)

    told = prepare(prompts)
    unknown = None if request.lora else describe_unknown(parts, [prompt for prompt, _ in told])
    if unknown is not None:
        note(unknown)
    pipe = _load(request, host)
    resolved, notes = resolve(request, pipe.defaults)
    for line in notes:
        note(line)
    paths = []
    for prompt, about in told:
        for seed in range(first, first + request.count):
            one = dataclasses.replace(resolved, prompt=prompt, prompts=None, seed=seed, count=1)
            paths.append(keep(_clip(pipe, one, host), one, output, about, host))
    return paths


class Seeded(Protocol):
    """A request that may leave its seed open."""

    @property
    def seed(self) -> int | None: ...


def first_seed(request: Seeded) -> int:
    """The seed of the first clip: as asked, or drawn and said aloud."""
    if request.seed is not None:
        return request.seed
    seed = secrets.randbelow(RANDOM_SEEDS)
    note(f"seed {seed} was drawn; --seed {seed} makes the same again")
    return seed


def keep(
    clip: Clip,
    request: TextToVideoRequest,
    output: Output,
    about: Mapping[str, Any],
    host: Host = TERMINAL,
    beside: Sequence[tuple[Callable[[Path], Path], Callable[[Path], None]]] = (),
) -> Path:
    """Write a clip where it belongs, and tell the host where that is.

    Args:
        clip: What was made.
        request: What it was made by.
        output: Where it goes.
        about: What else its receipt says.
        host: Carries out the request.
        beside: Files beside the clip: the name of each, made from the clip's path, and who writes it, told that path.
    """
    clip = dataclasses.replace(clip, metadata={**clip.metadata, **about, **host.about})
    names = [*([sheet_path] if request.contact_sheet else []), *(name for name, _ in beside)]
    with output.reserved(str(request.prompt), clip.metadata["seed"], len(clip.frames), names) as path:
        host.made(clip.save(path))
        if request.contact_sheet:
            from shared.media.picture import contact_sheet, write_sheet

            host.made(write_sheet(contact_sheet(clip.frames, clip.fps), path))
        for _, write in beside:
            write(path)
    return path


def remake(recorded: Mapping[str, Any], chosen: Mapping[str, Any]) -> Clip:
    """Make one clip of a recorded request, as `kinora rerun` asks for it.

    Args:
        recorded: a stranger's settings; what belongs to a machine, such as paths, is ignored.
        chosen: settings that hold instead: the model, where it runs, the seed.

    Raises:
        KinoraError: A setting or the model is refused.
    """
    if "inputs" in chosen:
        raise InputError("the receipt names inputs, and t2v makes its clips from words alone")
    request = from_mapping(TextToVideoRequest, {**recorded, "count": 1}, local=False)
    request = dataclasses.replace(request, **chosen)
    check_memory(request, find_parts(request.model, request.base, own=request.own_parts()))
    pipe = _load(request)
    return _clip(pipe, resolve(request, pipe.defaults)[0])


def _load(request: TextToVideoRequest, host: Host = TERMINAL) -> TextToVideoPipeline:
    """The pipeline that a request names."""
    return host.load(
        _open,
        request.model,
        base=request.base,
        own=request.own_parts(),
        lora=request.lora,
        note=note,
        **request.runtime(),
    )


def _open(model: str, **settings: Any) -> TextToVideoPipeline:
    from foundation.t2v.pipeline import TextToVideoPipeline

    return TextToVideoPipeline.from_pretrained(model, **settings)


def _clip(pipe: TextToVideoPipeline, request: TextToVideoRequest, host: Host = TERMINAL) -> Clip:
    """One clip, with all that its receipt says."""
    assert request.prompt is not None and request.steps is not None and request.seed is not None
    with host.sampling(request.steps, "denoising") as watcher:
        clip = pipe(
            request.prompt,
            negative_prompt=request.negative_prompt,
            steps=request.steps,
            seed=request.seed,
            size=request.size,
            frames=request.frames,
            cfg=request.cfg,
            guidance=request.guidance,
            shift=request.shift,
            on_step=watcher,
            note=note,
        )
    about = {**clip.metadata, "command": "t2v", "request": to_mapping(request), "seed": request.seed}
    return dataclasses.replace(clip, metadata=about)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
