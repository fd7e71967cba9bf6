"""What was measured: one row per scored model, with machine, commit, versions and minutes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from measuring.machine import about

from cuescan.cues.reading import load_json
from weak_tables.plan import Plan
from weak_tables.published import published
from weak_tables.work import Worker

PACKAGES = ("numpy", "timm", "nnunetv2", "batchgeneratorsv2", "monai", "numba", "triton", "mamba-ssm")


def stamp(device: str) -> dict[str, Any]:
    """Machine, commit and versions, as every step's record and results.json have them."""
    import torch

    found = about(torch.get_num_threads(), device)
    versions = {name: found.pop(name) for name in ("python", "cuescan")} | {"torch": torch.__version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    del found["packages"]
    commit, dirty = found.pop("commit"), found.pop("dirty")
    return {"machine": found, "commit": commit, "dirty": dirty, "versions": versions}


def rows(plan: Plan, worker: Worker) -> list[dict[str, Any]]:
    """The runs that are finished, in the order of the plan; paths are relative to the output folder."""
    found = []
    for run in plan.runs:
        if not worker.finished(plan.steps[run.score]):
            continue
        records = [worker.record(name) for name in run.trainings]
        own = worker.record(run.trainings[-1])
        found.append(
            {
                "method": run.method,
                "label": run.label,
                "trainer": run.trainer,
                "learns_from": run.learns_from,
                "stage": run.stage,
                "seed": run.seed,
                "fold": run.fold,
                "scores": _scores(run.predictions / "scores.json", plan.output),
                "minutes": sum(record["seconds"] for record in records) / 60,
                "machine": own.get("machine"),
                "commit": own.get("commit"),
                "training": run.training.relative_to(plan.output).as_posix(),
                "predictions": run.predictions.relative_to(plan.output).as_posix(),
                "command": plan.steps[run.trainings[-1]].shown(),
                "published": run.published,
            }
        )
    return found


def _scores(path: Path, output: Path) -> dict[str, Any]:
    """scores.json with its two folders relative to the output folder."""
    scores = load_json(path)
    for key in ("predictions", "masks"):
        folder = Path(scores[key])
        scores[key] = folder.relative_to(output).as_posix() if folder.is_relative_to(output) else str(folder)
    return scores


def document(plan: Plan, worker: Worker, stamped: Mapping[str, Any], failed: Mapping[str, str]) -> dict[str, Any]:
    """The content of results.json."""
    settings = plan.settings
    data = settings.data
    return {
        "version": 1,
        "title": settings.title or f"Weak supervision on {plan.base.partition('_')[2]}",
        **stamped,
        "device": plan.device,
        "data": {**data.identity(), "dataset": plan.base, "tests": data.tests_in_words()},
        "settings": settings.identity(),
        "seeds": list(settings.seeds),
        "folds": list(settings.folds),
        "rows": rows(plan, worker),
        "views": {"mirrored": settings.tta, "scales": settings.scales and list(settings.scales)},
        "planned": len(plan.runs),
        "failed": dict(failed),
        "published": published(data.key),
    }
