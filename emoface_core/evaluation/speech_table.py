# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of held-out speech: its rows, and how they are written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emoface_core.evaluation.performers import Heard
from emoface_core.evaluation.visemes import Confusion


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: `values` by performer; `reach` is at least (or at most) `target`."""

    what: str
    on: str
    unit: str
    values: Mapping[str, float]
    target: float | None = None
    at_least: bool = True

    def reached(self, name: str) -> bool | None:
        """Whether a performer reaches the target; None if there is nothing to judge."""
        value = self.values.get(name, float("nan"))
        if self.target is None or np.isnan(value):
            return None
        return value >= self.target if self.at_least else value <= self.target


@dataclass(slots=True)
class Shown:
    """A clip kept for the report's plots: curves in mm over time, by performer."""

    heard: Heard
    fps: float
    gaps: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    jaws: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    speech: dict[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(slots=True)
class SpeechReport:
    """The table, what it was measured on, and what the plots need."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    visemes: dict[str, Confusion] = field(default_factory=dict)
    emotions: dict[str, Confusion] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)


def table(report: SpeechReport, *, markdown: bool = False) -> str:
    """The rows as text: what, on, reach, and a column for each performer (✓ reached, ✗ not)."""
    names = list(dict.fromkeys(name for row in report.rows for name in row.values))
    head = ["what", "on", "reach", *names]
    lines = [[row.what, row.on, reach(row), *(cell(row, n) for n in names)] for row in report.rows]
    if markdown:
        marks = ["---", "---", "---", *("---:" for _ in names)]
        return "\n".join(
            "| " + " | ".join(line) + " |"
            for line in [
                head,
                marks,
                *([line[0].replace("  ", "&emsp;"), *line[1:]] for line in lines),
            ]
        )
    widths = [max(len(line[k]) for line in [head, *lines]) for k in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *lines]
    )


def reach(row: Row) -> str:
    """The target in words."""
    if row.target is None:
        return ""
    return f"{'≥' if row.at_least else '≤'} {row.target:g} {row.unit}".strip()


def cell(row: Row, name: str) -> str:
    """A performer's value, with its mark if there is a target."""
    value = row.values.get(name, float("nan"))
    if np.isnan(value):
        return "–"
    mark = {True: " ✓", False: " ✗", None: ""}[row.reached(name)]
    return f"{value:.3g} {row.unit}".strip() + mark


def as_json(report: SpeechReport) -> dict[str, object]:
    """The report for programs: rows with plain numbers (None for none), notes, confusions."""
    return {
        "rows": [
            {
                "what": row.what.strip(),
                "on": row.on,
                "unit": row.unit,
                "reach": row.target,
                "at_least": row.at_least,
                "values": {
                    name: None if np.isnan(value) else value for name, value in row.values.items()
                },
            }
            for row in report.rows
        ],
        "notes": report.notes,
        "confusions": {
            name: {"names": list(found.names), "counts": found.counts.tolist()}
            for name, found in {**report.visemes, **report.emotions}.items()
        },
    }
