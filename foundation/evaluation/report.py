"""Scores, their tables, and the page that stands beside the weights."""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Self


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
