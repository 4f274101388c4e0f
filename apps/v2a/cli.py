"""`kinora v2a`: generate audio for a video, or from a prompt."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.v2a.checkpoints import find_folder
from apps.v2a.request import VideoToAudioRequest
from foundation.checkpoints.lora.source import check_loras
from foundation.checkpoints.vocabulary import name_unknown
from foundation.rerun.inputs import describe_inputs
from foundation.runtime.host import TERMINAL, Host
from foundation.runtime.preflight import check_machine
from foundation.runtime.settings import RuntimeSettings
from foundation.t2v.cli import first_seed
from shared.config import from_argv, from_mapping, settings, shorten, to_mapping
from shared.console import note, run
from shared.errors import InputError
from shared.media.naming import Output, sheet_path

if TYPE_CHECKING:
    from apps.v2a.pipeline import VideoToAudioPipeline
    from shared.media.sound import Sound
    from shared.results.soundtrack import Soundtrack

KNOWS = (
    "its sounds are of simple objects that bounce, roll and rush past, of 5 materials and with simple music; "
    "docs/v2a.md says how to train on other sounds"
)
"""What the starter's sounds are of."""

DESCRIPTION = "Generate audio for a video, or from a prompt."


def main(argv: list[str]) -> None:
    """Read the flags and make the sounds.

    Raises:
        KinoraError: A flag, the clip, the model or the place for the result is refused.
    """
    make(from_argv(VideoToAudioRequest, argv, "kinora v2a", DESCRIPTION, word="video"))


def make(request: VideoToAudioRequest, host: Host = TERMINAL) -> list[Path]:
    """Make every sound of a request and print where it is.

    What needs no model (the clip, LoRA files, the place for the results) is checked before torch is imported.

    Args:
        request: What to make.
        host: Loads the model and watches the steps.

    Returns:
        The paths in the order of seeds, each with its WAV and its sheet after it where they are asked for.
    """
    output = _output(request)
    own = _own_sound(request)
    check_loras(request.lora)
    check_machine(RuntimeSettings(device=request.device, dtype=request.dtype))
    folder = find_folder(request.model)
    first = first_seed(request)

    unknown = None if request.lora else name_unknown(folder, request.model, [request.prompt or ""], KNOWS)
    if unknown is not None:
        note(unknown)
    pipe = _load(request, host)
    resolved = _resolved(request, pipe)
    paths = []
    for seed in range(first, first + request.count):
        track = _track(pipe, dataclasses.replace(resolved, seed=seed, count=1), own, host)
        title = request.prompt if request.video is None else request.video.stem
        with output.reserved(title, seed, 2, _names_beside(request)) as path:
            paths += _write(track, request, path)
    for path in paths:
        host.made(path)
    return paths


def _names_beside(request: VideoToAudioRequest) -> list[Callable[[Path], Path]]:
    """How the files beside a result are named."""
    return [*([_wav_path] if request.wav else []), *([sheet_path] if request.contact_sheet else [])]


def _wav_path(path: Path) -> Path:
    return path.with_suffix(".wav")


def _write(track: Soundtrack, request: VideoToAudioRequest, path: Path) -> list[Path]:
    """Write a sound, and what is asked for beside it."""
    paths = [track.save(path)]
    if request.wav and path.suffix.lower() != ".wav":
        paths.append(track.save(_wav_path(path)))
    if request.contact_sheet:
        from shared.media.picture import write_sheet
        from shared.media.spectrogram import sound_sheet

        paths.append(write_sheet(sound_sheet(track.written or track.sound, track.film), path))
    return paths


def remake(recorded: Mapping[str, Any], chosen: Mapping[str, Any]) -> Soundtrack:
    """Make one sound of a recorded request, as `kinora rerun` asks for it.

    Args:
        recorded: a stranger's settings; what belongs to a machine, such as paths, is ignored.
        chosen: settings that hold instead, and under `inputs` the clip on this machine.

    Raises:
        KinoraError: A setting, the model or the clip is refused.
    """
    known = settings(VideoToAudioRequest)
    kept = {key: value for key, value in recorded.items() if key not in known or not known[key][1].local}
    inputs = dict(chosen.get("inputs", {}))
    ours = {key: value for key, value in chosen.items() if key in known}
    video = inputs.pop("video", None)
    if inputs:
        raise InputError(f"the receipt's input {shorten(next(iter(inputs)))} is none that v2a takes")
    request = from_mapping(VideoToAudioRequest, {**kept, "count": 1, "video": video} if video else kept)
    request = dataclasses.replace(request, **ours)
    pipe = _load(request)
    return _track(pipe, _resolved(request, pipe), _own_sound(request))


def weights(model: str) -> dict[str, Path]:
    """The weights files of a model, by which `kinora rerun` knows it."""
    from apps.v2a.checkpoints import find_folder, weight_files

    return weight_files(find_folder(model))


def _output(request: VideoToAudioRequest) -> Output:
    """Where the results go, checked; the clip is opened, so that a wrong file costs no waiting."""
    from shared.results.soundtrack import SUFFIXES

    output = Output.plan(request.out, None, request.count > 1, SUFFIXES)
    suffix = output.place.suffix.lower() if output.explicit else None
    if request.video is None:
        if suffix not in (None, ".wav"):
            raise InputError(f"out: {output.place} is a film's name, and there is no clip: name a .wav file")
        return dataclasses.replace(output, format="wav")
    if output.explicit and output.place.exists() and output.place.samefile(request.video):
        raise InputError(f"out: {output.place} is the clip itself: give another name")
    from apps.v2a.conditioning.sampled_frames import check_shown
    from shared.media.limited import check_medium
    from shared.media.muxing import check_copy
    from shared.media.video import opened

    check_medium(request.video)
    with opened(request.video) as film:
        check_shown(film, request.video)
        if suffix != ".wav":
            wanted = () if suffix is None else (suffix,)
            suffix = check_copy(film, request.video, wanted, keep=request.mix == "keep")
    return dataclasses.replace(output, format=suffix.removeprefix("."))


def _own_sound(request: VideoToAudioRequest) -> Sound | None:
    """The clip's own sound, where it is to be mixed with the new one."""
    if request.video is None or request.mix == "replace":
        return None
    from shared.media.sound import read_sound

    own = read_sound(request.video)
    if own is None or not own.waveform.size:
        note(f"{request.video} has no sound of its own: the new one stands alone")
        return None
    return own


def _load(request: VideoToAudioRequest, host: Host = TERMINAL) -> VideoToAudioPipeline:
    """The pipeline that a request names."""
    return host.load(
        _open,
        request.model,
        request.lora,
        request.device,
        request.dtype,
        note=note,
    )


def _open(model: str, *words: Any, **settings: Any) -> VideoToAudioPipeline:
    from apps.v2a.pipeline import VideoToAudioPipeline

    return VideoToAudioPipeline.from_pretrained(model, *words, **settings)


def _resolved(request: VideoToAudioRequest, pipe: VideoToAudioPipeline) -> VideoToAudioRequest:
    """What the user left open filled in with what the model folder says."""
    own = pipe.defaults
    filled = {
        name: getattr(own, name) for name in ("steps", "cfg", "shift") if getattr(request, name) is None
    }
    if request.video is None and request.seconds is None:
        filled["seconds"] = own.layout.window_seconds
    return dataclasses.replace(request, **filled)


def _track(
    pipe: VideoToAudioPipeline, request: VideoToAudioRequest, own: Sound | None, host: Host = TERMINAL
) -> Soundtrack:
    """One sound, with all that its receipt says."""
    from apps.v2a.loudness import mixed

    assert request.steps is not None and request.seed is not None
    with host.sampling(request.steps, "denoising") as watcher:
        track = pipe(
            request.video,
            request.prompt,
            negative_prompt=request.negative_prompt,
            music=request.music,
            voice=request.voice,
            seconds=request.seconds,
            steps=request.steps,
            seed=request.seed,
            cfg=request.cfg,
            shift=request.shift,
            loudness=request.loudness,
            on_step=watcher,
            note=note,
        )
    about = {
        **track.metadata,
        "command": "v2a",
        "request": to_mapping(request),
        "seed": request.seed,
        **({} if request.video is None else _about_film(request.video)),
        **host.about,
    }
    together = mixed(own, track.sound, request.loudness) if own and request.mix == "mix" else None
    keep = own is not None and request.mix == "keep"
    return dataclasses.replace(track, written=together, keep=keep, metadata=about)


def _about_film(video: Path) -> dict[str, Any]:
    """What a receipt says of the clip that was given a sound: its hash, and the clip's own receipt, if it has one."""
    from shared.receipts import find_receipt

    about: dict[str, Any] = {"inputs": describe_inputs({"video": video})}
    try:
        own = find_receipt(video)
    except InputError as error:
        note(f"{video}: its receipt is left out: {error}")
        return about
    if own is None:
        return about
    # A file has one hash in it, by which its receipt is found.
    return {**about, "film": {key: value for key, value in own.items() if key != "file_sha256"}}


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
