"""Scores, their tables, and the page beside the weights."""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from foundation.checkpoints.hashes import folder_sha256
from foundation.checkpoints.model_folder import TRAINING_FILE


@dataclass
class Scores:
    """Shares (0 to 1) of right answers by group and attribute, and plain figures by name.

    Attributes:
        name: what was measured, such as `t2v`.
        settings: with what: counts, steps, guidance.
        shares: group -> attribute -> share of right answers.
        figures: name -> value, such as a PSNR in dB.
    """

    name: str
    settings: dict[str, float | int | str] = field(default_factory=dict)
    shares: dict[str, dict[str, float]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def table(self) -> str:
        """Markdown tables of shares in percent, one row a group, then the figures."""
        lines = []
        for names, groups in groupby(self.shares, key=lambda group: tuple(self.shares[group])):
            lines += [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
            lines += [f"| {group} | {self._row(group)} |" for group in groups]
            lines += [""]
        lines += [f"- {name}: {value:.3f}" for name, value in self.figures.items()]
        return "\n".join(lines).strip()

    def _row(self, group: str) -> str:
        return " | ".join(f"{100 * share:.1f}%" for share in self.shares[group].values())

    def lowest(self) -> tuple[float, str]:
        """The lowest share and where it stands."""
        return min(
            (value, f"{group}, {name}") for group, row in self.shares.items() for name, value in row.items()
        )

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text()))


class Tally:
    """Counts answers by group and attribute."""

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, group: str, answers: dict[str, bool] | dict[str, float]) -> None:
        """Count one clip's answers."""
        for name, value in answers.items():
            self._sums[group][name].append(float(value))

    def shares(self) -> dict[str, dict[str, float]]:
        """Mean of every attribute."""
        return {
            group: {name: sum(values) / len(values) for name, values in row.items()}
            for group, row in self._sums.items()
        }


def write_page(folder: Path) -> Path:
    """Write `README.md` of a model folder from its files, `training.json` files and saved evaluations."""
    lines = [
        f"# {folder.name}",
        "",
        "Made by `kinora evaluate NAME --save`; every number below comes from a file in this folder.",
        "",
        "## Files",
        "",
        "| file | MB | sha256 |",
        "|---|---:|---|",
    ]
    lines += [
        f"| `{name}` | {(folder / name).stat().st_size / 1e6:.1f} | `{digest[:16]}` |"
        for name, digest in folder_sha256(folder).items()
    ]
    lines += ["", "## Training", ""]
    for path in sorted(folder.glob(f"**/{TRAINING_FILE}")):
        lines += [f"**{path.parent.relative_to(folder).as_posix()}**:", ""]
        lines += [f"{i}. {_run_in_words(run)}" for i, run in enumerate(json.loads(path.read_text()), 1)]
        lines += [""]
    for path in sorted((folder / "evaluation").glob("*.json")):
        scores = Scores.read(path)
        settings = ", ".join(f"{key} {value}" for key, value in scores.settings.items())
        lines += [f"## {scores.name}: what the judges say", "", f"{settings}.", "", scores.table(), ""]
    page = folder / "README.md"
    page.write_text("\n".join(lines).rstrip() + "\n")
    return page


def _run_in_words(run: dict[str, Any]) -> str:
    """One run's recipe, stages and data on a line."""
    runs = {name: stage for name, stage in run.items() if isinstance(stage, dict) and "seed" in stage}
    seeds = sorted({stage["seed"] for stage in runs.values()})
    stages = [
        f"{name}, {stage['steps']} steps of {stage['batch_size']} samples{_shape_in_words(stage)}"
        for name, stage in (run.get("stages") or runs).items()
        if stage["steps"]
    ]
    data = json.dumps(run.get("data") or run["toybox"])
    return f"recipe `{run['recipe']}`: {'; '.join(stages)}; seed {', '.join(map(str, seeds))}; data {data}"


def _shape_in_words(stage: dict[str, Any]) -> str:
    return f" ({stage['frames']} frames, {stage['width']}x{stage['height']})" if "frames" in stage else ""
