"""table.md: measured means and spreads, and published numbers in a column of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cuescan.evaluation.repeats import LEARNS, Spread, share_of
from cuescan.evaluation.report import TITLES
from cuescan.evaluation.scores import METRICS
from weak_tables import published
from weak_tables.summary import Row, bound, by_label, classes, iou_of, mean_of, minutes, over_seeds

DASH = "–"
PUBLISHED = "published mDice / mIoU / mP / mR"


def table(found: Mapping[str, Any]) -> str:
    """Lay out results.json as Markdown."""
    rows: Sequence[Row] = found["rows"]
    names = classes(rows)
    sources = list(dict.fromkeys((entry["source"], entry["tests"]) for entry in found["published"]))
    notes = {source: number for number, source in enumerate(sources, start=1)}
    best = bound(rows)
    header = [
        *("method", "learns from", *(f"m{TITLES[metric]}" for metric in METRICS), *(f"IoU {name}" for name in names)),
        *(("of the bound",) if best else ()),
        *("minutes", "models", *((PUBLISHED,) if notes else ())),
    ]
    lines = [_line(header), _line(["---"] * len(header))]
    told: set[str] = set()
    for label, group in by_label(rows).items():
        entry = next((e for e in found["published"] if e["method"] == group[0]["published"]), None)
        told |= {entry["method"]} if entry else set()
        share = share_of(over_seeds(group, mean_of("iou")), best[1] if best else None)
        of_bound = [DASH if share is None else f"{share:.1%}"] if best else []
        took = over_seeds(group, minutes)
        lines.append(
            _line([
                label, LEARNS[group[0]["learns_from"]], *(_cell(group, mean_of(metric)) for metric in METRICS),
                *(_cell(group, iou_of(name)) for name in names), *of_bound, f"{took.mean:.1f}" if took else DASH,
                str(len(group)), *([_published(entry, notes)] if notes else []),
            ])
        )  # fmt: skip
    for entry in found["published"]:
        if entry["method"] not in told:
            blank = [DASH] * (len(header) - 3)
            lines.append(_line([entry["method"], LEARNS[entry["learns_from"]], *blank, _published(entry, notes)]))
    return "\n".join([f"# {found['title']}", "", *_about(found), "", *lines, "", *_legend(found, notes, best), ""])


def _cell(group: Sequence[Row], value: Any) -> str:
    measured = over_seeds(group, value)
    return "absent" if measured is None else in_words(measured)


def in_words(measured: Spread) -> str:
    """Mean and, of several seeds, standard deviation."""
    deviation = "" if measured.deviation is None else f" ± {measured.deviation:.3f}"
    return f"{measured.mean:.3f}{deviation}"


def _published(entry: Mapping[str, Any] | None, notes: Mapping[tuple[str, str], int]) -> str:
    return DASH if entry is None else f"{published.in_words(dict(entry))} [{notes[entry['source'], entry['tests']]}]"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _about(found: Mapping[str, Any]) -> list[str]:
    machine, data = found["machine"], found["data"]
    tested = sorted({len(row["scores"]["cases"]) for row in found["rows"]})
    commit = f"commit {found['commit'][:9]}" if found["commit"] else "no checkout"
    changes = " with uncommitted changes" if found["dirty"] else ""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    images = f"{tested[0]} images" if len(tested) == 1 else "no images yet"
    return [
        f"Data: {data['dataset']}; test set: {images} ({data['tests']}).",
        f"Folds {', '.join(map(str, found['folds']))}; seeds {', '.join(map(str, found['seeds']))}; "
        f"{len(found['rows'])} of {found['planned']} models are scored.",
        _views(**found["views"]),
        f"Machine: {machine['processor']}, {machine['cores']} cores, GPU: {machine['gpu'] or 'none'}; trained on "
        f"{found['device']}.",
        f"Software: {commit}{changes}; {versions}.",
    ]


def _views(mirrored: bool, scales: Sequence[float] | None) -> str:
    sizes = f"; cuescan's networks at sizes {', '.join(f'{scale:g}' for scale in scales)}" if scales else ""
    return f"Predictions: {'with' if mirrored else 'without'} mirrored views{sizes}."


def _legend(
    found: Mapping[str, Any], notes: Mapping[tuple[str, str], int], best: tuple[str, Spread] | None
) -> list[str]:
    lines = [
        "Measured: one confusion matrix over all test images for each model; mean ± sample standard deviation over "
        "seeds, where a seed's value is the mean over its folds. The means are over classes without the background. "
        "Minutes: of training with the validation after each epoch, all stages together, mean over models."
    ]
    if best:
        lines.append(f"The bound is the best training on masks: {best[0]}, mIoU {best[1].mean:.3f}.")
    machines = {row["machine"]["processor"] + str(row["machine"]["gpu"]) for row in found["rows"] if row["machine"]}
    if len(machines) > 1:
        lines.append("The trainings ran on different machines (see results.json): do not compare their minutes.")
    commits = sorted({row["commit"][:9] for row in found["rows"] if row["commit"]})
    if len(commits) > 1:
        lines.append(f"The trainings are of different commits (see results.json): {', '.join(commits)}.")
    if notes:
        lines.append("Published numbers were measured by others on the images named below, not here:")
        lines += [f"[{number}] {source} ({tests})" for (source, tests), number in notes.items()]
    if found["failed"]:
        lines.append("Failed: " + "; ".join(f"{name} ({reason})" for name, reason in found["failed"].items()))
    return "\n\n".join(lines).splitlines()
