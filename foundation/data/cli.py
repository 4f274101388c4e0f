"""`kinora data ACTION FOLDER`: what a training run would make of a folder of clips."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.data.folder.buckets import ClipSettings
from shared.actions import Action, act
from shared.config import local_path, parser, setting, settings
from shared.console import result, run


@dataclass(frozen=True)
class InspectRequest(ClipSettings):
    """Settings of `kinora data inspect`."""

    files: bool = setting(False, "also list every file that is used")


def main(argv: Sequence[str], actions: Mapping[str, Action] | None = None) -> None:
    """Run the action named first.

    Args:
        argv: the command line.
        actions: to choose from; the apps bring more than the foundation's own, which are the default.

    Raises:
        InputError: an unknown action or flag, or a folder that holds nothing to train on.
    """
    act("kinora data", ACTIONS if actions is None else actions, argv)


def inspect(argv: list[str]) -> None:
    """Print what training would use of a folder, at which length and size, and what it rejects and why.

    Raises:
        InputError: nothing in the folder can be trained on.
    """
    made = parser(
        InspectRequest, "kinora data inspect", "What `kinora train` would use of a folder, and how."
    )
    made.add_argument(
        "folder", type=Path, help="clips and pictures with their captions; see docs/training.md"
    )
    values = vars(made.read(argv))
    given = {name: values[name] for name in settings(InspectRequest) if values[name] is not None}
    request = InspectRequest(**given)

    from foundation.data.folder import planning
    from foundation.data.folder.folder import read_folder

    planned = planning.plan(read_folder(local_path(values["folder"])), request)
    for line in [*planning.overview(planned), *(planning.listing(planned) if request.files else [])]:
        result(line)
    planned.check_usable()


ACTIONS: dict[str, Action] = {"inspect": inspect}


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
