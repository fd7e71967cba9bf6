"""The report of one model's predictions."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from cuescan.data.images import list_images
from cuescan.evaluation.overlays import Sources, find_sources
from cuescan.evaluation.report import band_shares
from cuescan.report import tables
from cuescan.report.agreement import agreement, predicted_shares
from cuescan.report.cases import CaseView, chance, selected, view
from cuescan.report.charts import charts
from cuescan.report.confidence import gradient
from cuescan.report.page import render
from cuescan.report.run import Run


def page(run: Run, count: int, show_text: bool) -> str:
    """Write the page of a run.

    Args:
        run: what it is about.
        count: cases among the best and among the worst.
        show_text: whether the cues' sentences are written out; they may speak of a patient.

    Raises:
        UserError: a file cannot be read.
    """
    files = list_images(run.predictions)
    sources = _sources(run, files)
    agreed = agreement(run, predicted_shares(run, files)) if run.cues else None
    ious = {case: entry["mean_iou"] for case, entry in run.scores["cases"].items()} if run.scores else {}
    groups = selected(list(files), ious, agreed.disagreement if agreed else {}, count) if sources else {}
    views = _views(groups, sources, run.predictions, show_text) if sources else {}
    ranked = tables.case_rows(run.scores) if run.scores else []
    shown = [case for group in views.values() for case in group]
    columns, rows = tables.confusion(run.scores) if run.scores else ([], [])
    return render(
        "run.html",
        {
            "run": run,
            "cases": len(files),
            "headline": tables.headline(run.scores) if run.scores else [],
            "score_rows": tables.score_rows(run.scores) if run.scores else [],
            "all_cases": ranked,
            "median": statistics.median(iou for _, iou in ranked) if ranked else None,
            "columns": columns,
            "confusion": rows,
            "bands": band_shares(run.scores) if run.scores else [],
            "agreement": agreed,
            "views": views,
            "gradient": gradient(),
            "lowest": chance(run.labels),
            "has_confidence": any(panel.name == "confidence" and panel.uri for case in shown for panel in case.panels),
            "has_text": any(case.has_text for case in shown),
            "shows_text": any(case.text is not None for case in shown),
            "charts": charts(run.training) if run.training else [],
        },
    )


def _sources(run: Run, files: Mapping[str, Path]) -> Sources | None:
    if run.images is None:
        return None
    masks = run.masks if run.scores else None  # none of them has a labelled pixel
    return find_sources(run.images, run.predictions, masks, run.cues, run.labels, run.cue_file)


def _views(
    groups: Mapping[str, list[str]], sources: Sources, predictions: Path, show_text: bool
) -> dict[str, list[CaseView]]:
    names = [name for group in groups.values() for name in group]
    drawn = {
        name: view(name, sources, predictions, show_text)
        for name in tqdm(names, desc="draw cases", unit="case", disable=None)
    }
    return {title: [drawn[name] for name in group] for title, group in groups.items()}
