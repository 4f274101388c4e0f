"""Makes a film: pictures from words, pictures from pictures, sounds, and all of it in one file."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from apps.film.pieces import Drawn, Piece
from apps.film.plan import Film, plan
from apps.film.record import about_film
from apps.film.request import FilmRequest
from apps.film.rewriting import rewrite_all, rewriter_of
from apps.film.stage import Stage
from apps.film.takes import ABOUT, Take, find_take
from foundation.host import TERMINAL, Host
from shared.config import to_argv
from shared.console import note


def make(request: FilmRequest, host: Host = TERMINAL) -> list[Path]:
    """Make a film and print where it is.

    Each shot's picture and sound is a file in a folder beside the film; those that are there, made with the same
    settings and weights, are taken as they are. Where a step fails, what was made before it stays there.

    Args:
        request: What to make.
        host: Loads models and watches steps.

    Returns:
        The path of the film.
    """
    takes: dict[Path, Take] = {}
    with ExitStack() as held:
        film = plan(request, held)
        try:
            _complete(film, host, takes)
            path = _join(film, host, takes)
        except BaseException:
            _tell_what_is_kept(film, takes)
            raise
    host.made(path)
    return [path]


def _complete(film: Film, host: Host, takes: dict[Path, Take]) -> None:
    """Make what is missing, piece by piece, and fill `takes` with what is there."""
    again = set(film.request.shot)
    missing = _missing(film.pieces, again)
    told = _told(film.request, [piece for piece in missing if isinstance(piece, Drawn)])
    with Stage(host, sum(piece.steps for piece in missing)) as stage:
        for piece in film.pieces:
            key = piece.key(takes)
            take = None if piece.number in again else find_take(piece.file, key)
            if take is None:
                note(f"shot {piece.number} of {len(film.shots)}: {piece.what}")
                about = {ABOUT: {"number": piece.number, "key": key}}
                piece.make(stage.telling(about), takes, lambda _, number=piece.number: [told[number]])
                take = find_take(piece.file, key)
            assert take is not None  # it was just made
            takes[piece.file] = take


def _missing(pieces: Sequence[Piece], again: set[int]) -> list[Piece]:
    """What is to be made, by what is there now: a piece of another one that is missing counts, too."""
    missing: dict[Path, Piece] = {}
    takes: dict[Path, Take] = {}
    for piece in pieces:
        anew = piece.number in again or any(source in missing for source in piece.sources)
        take = None if anew else find_take(piece.file, piece.key(takes))
        if take is None:
            missing[piece.file] = piece
        else:
            takes[piece.file] = take
    return list(missing.values())


def _told(request: FilmRequest, pieces: Sequence[Drawn]) -> Mapping[int, tuple[str, dict[str, Any]]]:
    """Prompts as the models read them, with what their receipts say of it, by the number of the shot."""
    prompts = [str(piece.request.prompt) for piece in pieces]
    if not prompts or request.rewrite == "off":
        told = [(prompt, {}) for prompt in prompts]
    else:
        told = rewrite_all(prompts, rewriter_of(request))
    return {piece.number: one for piece, one in zip(pieces, told, strict=True)}


def _join(film: Film, host: Host, takes: Mapping[Path, Take]) -> Path:
    """Write the film's file."""
    from apps.film.joining import joined

    clip = joined(*film.files(), film.fps)
    about = {**about_film(film, takes), **host.about}
    if film.place.exists() and film.place.stat().st_size:  # an empty one only holds the name
        note(f"{film.place} existed and is replaced")
    return dataclasses.replace(clip, metadata=about).save(film.place)


def _tell_what_is_kept(film: Film, takes: Mapping[Path, Take]) -> None:
    """Say what stays of a film that was not finished, and how to go on from there."""
    if takes:
        names = ", ".join(file.name for file in takes)
        note(f"{len(takes)} of {len(film.pieces)} parts are kept in {film.shots_folder}: {names}")
    left = {piece.number for piece in film.pieces if piece.file not in takes} & set(film.request.shot)
    request = dataclasses.replace(film.request, out=film.place, shot=tuple(sorted(left)))
    note(f"to go on from there: kinora film {shlex.join(to_argv(request))}")
