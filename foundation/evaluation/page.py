"""The page beside the weights: what each file is, how it was made, and what the judges say."""

import json
from pathlib import Path

from foundation.evaluation.report import Scores
from foundation.weights.fingerprint import folder_sha256

TRAINING_FILE = "training.json"
"""Beside a model's weights: recipe, seed, steps and data that made them."""


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
    for path in sorted(folder.glob(f"*/{TRAINING_FILE}")):
        facts = json.loads(path.read_text())
        lines += [
            f"**{path.parent.name}**: " + "; ".join(f"{key} {value}" for key, value in facts.items()),
            "",
        ]
    for path in sorted((folder / "evaluation").glob("*.json")):
        scores = Scores.read(path)
        settings = ", ".join(f"{key} {value}" for key, value in scores.settings.items())
        lines += [f"## {scores.name}: what the judges say", "", f"{settings}.", "", scores.table(), ""]
    page = folder / "README.md"
    page.write_text("\n".join(lines).rstrip() + "\n")
    return page
