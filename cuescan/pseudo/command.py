"""``cuescan pseudo-label``: find data, model and folds, check all, and label."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cuescan.cues import read_cues
from cuescan.cues.reading import load_json
from cuescan.data.destination import complete_folder, dataset_folder
from cuescan.errors import UserError
from cuescan.share import share_path

if TYPE_CHECKING:
    from cuescan.pseudo.record import Record


def pseudo_label(options: argparse.Namespace) -> tuple[Path, Record]:
    """Write the data set of pseudo-labels; the options are those of the command. Returns its folder and what was done.

    Raises:
        UserError: model, splits, cues or images are not there or do not fit; nothing is written then.
    """
    os.environ.setdefault("nnUNet_extTrainer", str(share_path("trainers")))
    from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw, nnUNet_results

    from cuescan.nnunet import cue_file, planner
    from cuescan.pseudo import folds as fold_rules
    from cuescan.pseudo.images import training_cases, whole_images
    from cuescan.pseudo.labelling import Task, label
    from cuescan.pseudo.weak_model import WeakModel, trained_folds

    if not 0 < options.keep <= 1:
        raise UserError(f"--keep is {options.keep} but is a share; give one above 0 and at most 1, such as 0.7")
    name = planner.dataset_name(options.dataset)
    if not nnUNet_results.is_set():
        raise UserError("the environment variable nnUNet_results is not set; set it to nnU-Net's folder")
    if options.output == options.dataset:
        raise UserError(f"-o is {options.output}, the data set that is to be labelled; give another number")
    source = Path(nnUNet_raw) / name
    title = options.name or f"{name.split('_', 1)[1]}Pseudo"
    target = dataset_folder(Path(nnUNet_raw), options.output, title, options.overwrite, "-o")

    folder = Path(nnUNet_results) / name / f"{options.trainer}__{options.plans}__{options.configuration}"
    folds = trained_folds(folder, options.checkpoint, options.folds)
    split_file = Path(nnUNet_preprocessed) / name / "splits_final.json"
    splits = fold_rules.read_splits(split_file)
    fold_rules.check_folds(folds, splits, split_file, folder)
    cue_path = cue_file.current_cues(name, options.plans)
    cues = read_cues(cue_path)
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model = WeakModel(folder, folds, options.checkpoint, device, not options.disable_tta, options.scales)
    model.check_cues(cues, cue_path)
    dataset_json = load_json(source / "dataset.json")
    cases = training_cases(source, dataset_json, cues, cue_path)
    images = cases if options.images is None else whole_images(options.images, cases, dataset_json["file_ending"])
    chosen = fold_rules.labelling_folds(
        {image.name: image.members for image in images}, splits, folds, split_file, options.seen
    )
    whole = options.images is not None
    task = Task(
        source,
        dataset_json,
        cues,
        images,
        whole,
        model,
        chosen,
        splits,
        options.keep,
        options.seen,
    )
    task.check()
    with complete_folder(target) as new:
        record = label(task, new, title)
    return target, record
