"""The page beside the weights: what each file is, how it was made, and what the judges say."""

import json
from pathlib import Path
from typing import Any

from foundation.evaluation.report import Scores
from foundation.weights.fingerprint import folder_sha256
from foundation.weights.folder import TRAINING_FILE


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
