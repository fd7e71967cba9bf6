"""Published numbers, which stand in a column of their own beside measured ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cuescan.cues.checking import did_you_mean
from cuescan.cues.reading import load_json
from cuescan.errors import UserError
from cuescan.evaluation.scores import METRICS

FILE = Path(__file__).with_name("published.json")


def published(data: str) -> list[dict[str, Any]]:
    """What was published on a data set: a list of {"method", "learns_from", "scores", "source", "tests"}.

    Scores are shares in 0 ... 1, of those of :data:`cuescan.evaluation.scores.METRICS` that the source gives.
    """
    return [entry for entry in load_json(FILE) if entry["data"] == data]


def check_names(names: set[str], data: str) -> None:
    """Refuse a name under which nothing is published on any data set.

    Raises:
        UserError: names it and the nearest one.
    """
    known = sorted({entry["method"] for entry in load_json(FILE)})
    for name in sorted(names):
        if name not in known:
            hint = did_you_mean(name, known) or f" (known: {', '.join(known)}); leave published away"
            raise UserError(f"{FILE}: no published numbers of '{name}' for {data or 'this data set'}{hint}")


def in_words(entry: dict[str, Any]) -> str:
    """The published means in the order of the table, "–" for what the source does not give."""
    values = (entry["scores"].get(metric) for metric in METRICS)
    return " / ".join("–" if value is None else f"{value:.3f}" for value in values)
