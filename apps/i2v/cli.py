"""`kinora i2v`: generate video from images and a prompt."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.i2v.conditioning.images import nearest_size, pictures_in, read_picture
from apps.i2v.conditioning.keyframes import Keyframe
from apps.i2v.conditioning.source_clip import continue_sound, fit_source_clip, read_source_clip
from apps.i2v.request import ImageToVideoRequest
from foundation.checkpoints.lora.source import check_loras
from foundation.checkpoints.registry import find_parts
from foundation.checkpoints.vocabulary import describe_unknown
from foundation.models.geometry import FRAME_STRIDE
from foundation.rerun.inputs import describe_inputs
from foundation.runtime.host import TERMINAL, Host
from foundation.runtime.preflight import check_machine, check_memory
from foundation.t2v.cli import as_given, first_seed, keep
from foundation.t2v.request import read_prompts, resolve
from shared.config import Size, from_argv, from_mapping, settings, to_mapping
from shared.console import note, run
from shared.errors import InputError
from shared.media.naming import Output

if TYPE_CHECKING:
    from torch import Tensor

    from apps.i2v.pipeline import ImageToVideoPipeline
    from shared.results import Clip


def main(argv: list[str]) -> None:
    """Read the flags and make the clips.

    Raises:
        KinoraError: A flag, a picture, the model or the place for the result is refused.
    """
    make(from_argv(ImageToVideoRequest, argv, "kinora i2v", "Generate video from images and a prompt."))


def make(
    request: ImageToVideoRequest,
    prepare: Callable[[list[str]], list[tuple[str, dict[str, Any]]]] = as_given,
    host: Host = TERMINAL,
) -> list[Path]:
    """Make every clip of a request and print where it is.

    What needs no model (prompts, pictures, LoRA files, the place for the clips) is checked before torch is imported.

    Args:
        request: What to make.
        prepare: Gives each prompt as the model shall read it, with what else its receipt says of it.
        host: Loads the model and watches the steps.

    Returns:
        The paths of the clips in the order of pictures, then of prompts, then of seeds.
    """
    prompts, batch = read_prompts(request), list(_one_by_one(request))
    for one in batch:
        _check_pictures(one)
    given = _clip_to_extend(request)
    several = len(prompts) * len(batch) * request.count > 1
    output = Output.plan(request.out, request.format, several)
    check_loras(request.lora)
    check_machine(request)
    parts = find_parts(request.model, request.base, "i2v", request.own_parts())
    check_memory(request, parts, None if given is None else _size_of(given))
    seed = first_seed(request)

    told = prepare(prompts)
    unknown = None if request.lora else describe_unknown(parts, [prompt for prompt, _ in told])
    if unknown is not None:
        note(unknown)
    pipe = _load(request, host)
    given = _fit(given, request, pipe)
    paths = []
    for one in batch:
        resolved = _resolved(one, pipe, given)
        for prompt, about in told:
            for number in range(request.count):
                single = dataclasses.replace(
                    resolved, prompt=prompt, prompts=None, seed=seed + number, count=1
                )
                clip, latents = _clip(pipe, single, given, host)
                beside = []
                if request.keep_latents:
                    from apps.i2v.conditioning.latents_file import latents_path

                    beside = [(latents_path, partial(_keep_latents, latents, clip, pipe))]
                paths.append(keep(clip, single, output, about, host, beside))
    return paths


def remake(recorded: Mapping[str, Any], chosen: Mapping[str, Any]) -> Clip:
    """Make one clip of a recorded request, as `kinora rerun` asks for it.

    Args:
        recorded: a stranger's settings; what belongs to a machine, such as paths, is ignored.
        chosen: settings that hold instead, and under `inputs` the pictures of this machine.

    Raises:
        KinoraError: A setting, the model or a picture is refused.
    """
    known = settings(ImageToVideoRequest)
    kept = {key: value for key, value in recorded.items() if key not in known or not known[key][1].local}
    chosen = dict(chosen)
    pictures = _settings_of(chosen.pop("inputs", {}))
    request = from_mapping(ImageToVideoRequest, {**kept, "count": 1, **pictures})
    request = dataclasses.replace(request, **chosen)
    given = _clip_to_extend(request)
    parts = find_parts(request.model, request.base, "i2v", request.own_parts())
    check_memory(request, parts, None if given is None else _size_of(given))
    pipe = _load(request)
    given = _fit(given, request, pipe)
    return _clip(pipe, _resolved(request, pipe, given), given)[0]


def _one_by_one(request: ImageToVideoRequest) -> Iterator[ImageToVideoRequest]:
    """A request per picture, where the first frame is a folder of them."""
    if request.image is None or not request.image.is_dir():
        yield request
        return
    for file in pictures_in(request.image):
        yield dataclasses.replace(request, image=file)


def _check_pictures(request: ImageToVideoRequest) -> None:
    """Open what the user named, so that a wrong file costs no waiting."""
    if request.extend is None:
        for file in _files(request).values():
            read_picture(file)


def _clip_to_extend(request: ImageToVideoRequest) -> Clip | None:
    """The clip that goes on, read once and before the model is; None where none does."""
    if request.extend is None:
        return None
    clip = read_source_clip(request.extend)
    if request.size not in (None, _size_of(clip)):
        raise InputError(f"size: {request.extend} is {_size_of(clip)} and stays so, leave out {request.size}")
    return clip


def _fit(given: Clip | None, request: ImageToVideoRequest, pipe: ImageToVideoPipeline) -> Clip | None:
    """The clip that goes on, as the model can continue it."""
    if given is None or request.extend is None:
        return None
    return fit_source_clip(given, pipe.defaults.fps, request.extend.name, note)


def _size_of(clip: Clip) -> Size:
    """The size of a clip's frames."""
    height, width = clip.frames.shape[1:3]
    return Size(width, height)


def _files(request: ImageToVideoRequest) -> dict[str, Path]:
    """The media of a request by the name of their setting."""
    ends = {"image": request.image, "last_image": request.last_image, "extend": request.extend}
    keyframes = {f"keyframe {keyframe.frame}": keyframe.file for keyframe in request.keyframe}
    return {name: file for name, file in ends.items() if file is not None} | keyframes


def _settings_of(files: Mapping[str, Path]) -> dict[str, Any]:
    """The inverse of `_files`, of names that a stranger wrote."""
    found: dict[str, Any] = {}
    for name, file in files.items():
        setting, _, frame = name.partition(" ")
        if setting == "keyframe" and frame.isascii() and frame.isdigit():
            found["keyframe"] = (*found.get("keyframe", ()), Keyframe(int(frame), file))
        elif name in ("image", "last_image", "extend"):
            found[name] = file
        else:
            raise InputError(f"the receipt's input {name!r} is none that i2v takes")
    return found


def _load(request: ImageToVideoRequest, host: Host = TERMINAL) -> ImageToVideoPipeline:
    """The pipeline that a request names."""
    return host.load(
        _open,
        request.model,
        base=request.base,
        own=request.own_parts(),
        lora=request.lora,
        condition_type=request.condition_type,
        note=note,
        **request.runtime(),
    )


def _open(model: str, **settings: Any) -> ImageToVideoPipeline:
    from apps.i2v.pipeline import ImageToVideoPipeline

    return ImageToVideoPipeline.from_pretrained(model, **settings)


def _resolved(
    request: ImageToVideoRequest, pipe: ImageToVideoPipeline, given: Clip | None
) -> ImageToVideoRequest:
    """What the user left open filled in: the size from the first picture, the rest from the model's folder."""
    defaults = pipe.defaults_with(request.stability)
    if given is not None:
        request = dataclasses.replace(request, size=_size_of(given))
    elif request.size is None:
        pictures = request.pictures(request.frames or defaults.frames)
        first = read_picture(pictures[min(pictures)])
        request = dataclasses.replace(request, size=nearest_size(first, defaults.size))
    resolved, notes = resolve(request, defaults)
    for line in notes:
        note(line)
    return resolved


def _clip(
    pipe: ImageToVideoPipeline, request: ImageToVideoRequest, given: Clip | None, host: Host = TERMINAL
) -> tuple[Clip, Tensor]:
    """One clip, with all that its receipt says, and its latents; `given` is the clip that goes on."""
    assert request.prompt is not None and request.steps is not None and request.seed is not None
    windows = 1 if request.extend is None else request.extensions
    with host.sampling(request.steps * windows, "denoising") as watcher:
        common = {
            "negative_prompt": request.negative_prompt,
            "steps": request.steps,
            "seed": request.seed,
            "frames": request.frames,
            "cfg": request.cfg,
            "guidance": request.guidance,
            "shift": request.shift,
            "on_step": watcher,
            "note": note,
        }
        if request.extend is not None and given is not None:
            known = _known_latents(request.extend, given, pipe)
            clip, latents = pipe.extend(known, request.prompt, times=request.extensions, **common)
            added = (latents.shape[2] - known.shape[2]) * FRAME_STRIDE
            clip = continue_sound(given, clip, added) if _holds_sound(request) else clip
        else:
            clip = pipe(
                request.image,
                request.prompt,
                last_image=request.last_image,
                keyframes={keyframe.frame: keyframe.file for keyframe in request.keyframe},
                loop=request.loop,
                fit=request.fit,
                stability=request.stability,
                size=request.size,
                **common,
            )
            assert watcher.latents is not None
            latents = watcher.latents
    about = {
        **clip.metadata,
        "command": "i2v",
        "request": to_mapping(request),
        "seed": request.seed,
        "inputs": describe_inputs(_files(request)),
    }
    return dataclasses.replace(clip, metadata=about), latents


def _holds_sound(request: ImageToVideoRequest) -> bool:
    """Whether the file that is written may have a sound; a GIF or PNGs hold none."""
    suffix = "" if request.out is None else request.out.suffix.lower()
    return request.format in (None, "mp4", "mkv") and suffix in ("", ".mp4", ".mkv")


def _known_latents(path: Path, clip: Clip, pipe: ImageToVideoPipeline) -> Tensor:
    """The latents of a clip: those beside it, else those of its pixels, said aloud."""
    from apps.i2v.conditioning.latents_file import find_latents, latents_path

    found = find_latents(path, clip.metadata, pipe.vae)
    if found is not None:
        return found
    note(f"{path}: no latents of its own in {latents_path(path).name}, so they are recovered from its pixels")
    return pipe.recover(clip.frames)


def _keep_latents(latents: Tensor, clip: Clip, pipe: ImageToVideoPipeline, path: Path) -> None:
    from apps.i2v.conditioning.latents_file import save_latents
    from shared.media.picture import pixels_sha256

    dropped = pipe.variant.dropped_frames // FRAME_STRIDE
    note(f"latents: {save_latents(latents[:, :, dropped:], path, pixels_sha256(clip.frames), pipe.vae)}")


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
