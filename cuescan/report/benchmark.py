"""The report of a benchmark: its tables, its figure, and what was measured on what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuescan.cues.reading import load_json
from cuescan.errors import UserError
from cuescan.evaluation.repeats import LEARNS, Spread, share_of, spread
from cuescan.evaluation.report import TITLES
from cuescan.evaluation.scores import METRICS
from cuescan.report import tables
from cuescan.report.page import render
from cuescan.report.pictures import file_uri
from cuescan.report.recipe import group, of_report

RESULTS, FIGURE = "results.json", "figure.png"
MASKS = "masks"

Run = Mapping[str, Any]


@dataclass(frozen=True)
class MethodRow:
    """A line of the table.

    Attributes:
        label: the method with its stage.
        learns_from: in words.
        trainer: nnU-Net trainer.
        models: number of trained and scored models.
        minutes: mean time of a training, None where it is not known.
        means: Dice, IoU, precision and recall.
        of_bound: mean IoU as a share of that of the best training on masks, None without one.
        classes: IoU by class name.
        best: metrics in which no other method that learns without masks is higher.
        columns: of the confusion table, over all models.
        confusion: its rows.
    """

    label: str
    learns_from: str
    trainer: str
    models: int
    minutes: float | None
    means: Mapping[str, Spread | None]
    of_bound: float | None
    classes: Mapping[str, Spread | None]
    best: frozenset[str]
    columns: Sequence[tuple[int, str]]
    confusion: Sequence[tables.ConfusionRow]


def is_benchmark(folder: Path) -> bool:
    """Whether a folder holds the results of a benchmark."""
    return (folder / RESULTS).is_file()


def page(folder: Path) -> str:
    """Write the page of a benchmark.

    Raises:
        UserError: the results cannot be read, or hold no run.
    """
    path = folder / RESULTS
    document = load_json(path)
    try:
        runs: list[Run] = list(document["rows"])
        rows = method_rows(runs)
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: not the results of a benchmark; write them with benchmarks/weak.py") from None
    if not rows:
        raise UserError(f"{path}: no scored model yet; go on with benchmarks/weak.py, which resumes where it stopped")
    figure = folder / FIGURE
    return render(
        "benchmark.html",
        {
            "title": document.get("title") or folder.resolve().name,
            "metrics": [(metric, f"m{TITLES[metric]}") for metric in METRICS],
            "rows": rows,
            "classes": list(enumerate(_classes(runs), start=1)),
            "folds": sorted({str(run["fold"]) for run in runs}),
            "seeds": sorted({run["seed"] for run in runs}),
            "models": len(runs),
            "planned": document.get("planned") or len(runs),
            "tests": (document.get("data") or {}).get("tests") or "",
            "published": document.get("published") or [],
            "figure": file_uri(figure) if figure.is_file() else "",
            "groups": (
                *group("Data", document.get("data") or {}),
                *group("Settings", (document.get("settings") or {}).get("budget") or {}),
                *group("Machine", {**(document.get("machine") or {}), "device": document.get("device")}),
                *group(
                    "Software",
                    {
                        **(document.get("versions") or {}),
                        "commit": document.get("commit"),
                        "uncommitted changes": document.get("dirty"),
                    },
                ),
                *of_report(None),
            ),
        },
    )


def method_rows(runs: Sequence[Run]) -> list[MethodRow]:
    """One row per method and stage: the mean over the folds of each seed, then mean and spread over the seeds."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(str(run.get("label") or run["method"]), []).append(run)
    means = {label: {metric: _spread(found, _mean(metric)) for metric in METRICS} for label, found in groups.items()}
    bounds = [means[label]["iou"] for label, found in groups.items() if found[0].get("learns_from") == MASKS]
    bound = max((value for value in bounds if value), key=lambda value: value.mean, default=None)
    weak = [means[label] for label, found in groups.items() if found[0].get("learns_from") != MASKS]
    highest = {metric: max((v.mean for row in weak if (v := row[metric])), default=None) for metric in METRICS}
    rows = []
    for label, found in groups.items():
        own = means[label]
        columns, confusion = _confusion(found)
        minutes = _spread(found, lambda run: run.get("minutes"))
        rows.append(
            MethodRow(
                label,
                LEARNS.get(str(found[0].get("learns_from")), ""),
                str(found[0].get("trainer") or ""),
                len(found),
                minutes.mean if minutes else None,
                own,
                share_of(own["iou"], bound),
                {name: _spread(found, _iou(name)) for name in _classes(found)},
                frozenset(metric for metric, value in own.items() if own in weak and _is(value, highest[metric])),
                columns,
                confusion,
            )
        )
    return rows


def _is(value: Spread | None, highest: float | None) -> bool:
    return value is not None and value.mean == highest


def _spread(runs: Sequence[Run], value: Callable[[Run], float | None]) -> Spread | None:
    return spread((run["seed"], value(run)) for run in runs)


def _mean(metric: str) -> Callable[[Run], float | None]:
    return lambda run: run["scores"]["mean"][metric]


def _iou(name: str) -> Callable[[Run], float | None]:
    return lambda run: run["scores"]["classes"].get(name, {}).get("iou")


def _classes(runs: Sequence[Run]) -> list[str]:
    """The classes without the background."""
    scored = [item for run in runs for item in run["scores"]["classes"].items()]
    return list(dict.fromkeys(name for name, row in scored if row["label"]))


def _confusion(runs: Sequence[Run]) -> tuple[list[tuple[int, str]], list[tables.ConfusionRow]]:
    """The confusion table of all models together."""
    counts = [run["scores"]["confusion"]["counts"] for run in runs if run["scores"].get("confusion")]
    if not counts:
        return [], []
    total = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*counts, strict=True)]
    scores = runs[0]["scores"]
    return tables.confusion({**scores, "confusion": {"labels": scores["confusion"]["labels"], "counts": total}})
