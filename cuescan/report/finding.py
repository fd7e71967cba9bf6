"""Tell what kind of run a folder holds."""

from __future__ import annotations

from pathlib import Path

from cuescan.data.images import suffix
from cuescan.errors import UserError
from cuescan.report import fold, predictions
from cuescan.report.run import Run, Wishes


def find_run(folder: Path, wishes: Wishes) -> Run:
    """Read a run.

    Raises:
        UserError: there is no such folder, it holds no run, or the run has no predictions or scores yet.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; give a fold of nnUNet_results, or a folder of predictions")
    if fold.is_fold(folder.resolve()):
        return fold.find(folder, wishes)
    if folds := sorted(path.name for path in folder.glob("fold_*")):
        raise UserError(f"{folder}: a whole model; name one of its folds, such as {folder / folds[0]}")
    if not (folder / predictions.SCORES).is_file() and not predictions.is_bundle(folder) and not holds_images(folder):
        raise UserError(
            f"{folder}: neither a fold (fold_0 of a model), nor predictions, nor a benchmark with results.json; "
            "correct the path"
        )
    return predictions.find(folder, wishes)


def holds_images(folder: Path) -> bool:
    """Whether an image lies in a folder."""
    return any(suffix(path) for path in folder.iterdir() if path.is_file())
