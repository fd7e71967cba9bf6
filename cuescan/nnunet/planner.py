"""Plans whose patch covers every image, since a cue speaks of the whole image."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.plan_and_preprocess_api import preprocess_dataset
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape
from nnunetv2.utilities.json_export import recursive_fix_for_json_export
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from cuescan.cues import check_cues, read_cues
from cuescan.cues.reading import load_json
from cuescan.errors import UserError
from cuescan.nnunet import cue_file, fingerprint, refusals

PLANS = "nnUNetPlans"
NO_MEMORY_LIMIT = 1e9
"""GPU memory target in GB at which nnU-Net's planner keeps the patch as large as the images."""


class WholeImagePlanner(ExperimentPlanner):
    """nnU-Net's planner for 2-D images with the largest image, not the median one, as the patch.

    Network and batch size in the plans suit that patch and 8 GB, so that nnU-Net's own trainers work with them too.
    """

    def get_plans_for_configuration(
        self, spacing: Any, median_shape: Any, data_identifier: str, approximate_n_voxels_dataset: float, _cache: dict
    ) -> dict:
        """Plan the 2d configuration; arguments and result are nnU-Net's."""
        found = self.dataset_fingerprint
        target = self.determine_fullres_target_spacing()
        forward = self.determine_transpose()[0]
        pairs = zip(found["spacings"], found["shapes_after_crop"], strict=True)
        shapes = [compute_new_shape(shape, before, target) for before, shape in pairs]
        largest = np.max(shapes, axis=0)[forward][1:]
        plan = super().get_plans_for_configuration(
            spacing, largest, data_identifier, approximate_n_voxels_dataset, _cache
        )
        steps = np.prod(plan["architecture"]["arch_kwargs"]["strides"], axis=0)
        whole = (np.ceil(largest / steps) * steps).astype(int)
        plan["patch_size"] = [int(side) for side in np.maximum(whole, plan["patch_size"])]
        plan["median_image_size_in_voxels"] = median_shape
        plan["batch_size"] = min(plan["batch_size"], self._batch_that_fits(plan))
        return plan

    def _batch_that_fits(self, plan: dict) -> int:
        architecture = plan["architecture"]
        cost = self.static_estimate_VRAM_usage(
            plan["patch_size"],
            len(self.dataset_json["channel_names"]),
            len(self.dataset_json["labels"]),
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
        )
        fits = self.UNet_reference_val_2d / cost * self.UNet_reference_val_corresp_bs_2d
        return max(self.UNet_min_batch_size, round(fits))

    def save_plans(self, plans: dict) -> None:
        """Write the plans atomically; configurations that a user added to earlier plans stay."""
        recursive_fix_for_json_export(plans)
        path = Path(nnUNet_preprocessed) / self.dataset_name / f"{self.plans_identifier}.json"
        if path.is_file():
            earlier = load_json(path)["configurations"]
            plans["configurations"] = {**earlier, **plans["configurations"]}
        fingerprint.write_json(plans, path)


def dataset_name(number: int) -> str:
    """Return "DatasetXXX_Name" for a number.

    Raises:
        UserError: nnU-Net's folders are not set, or there is not exactly one such raw data set.
    """
    for folder in (nnUNet_raw, nnUNet_preprocessed):
        if not folder.is_set():
            raise UserError(f"the environment variable {folder.env_var_name} is not set; set it to nnU-Net's folder")
    found = sorted(path.name for path in Path(nnUNet_raw).glob(f"Dataset{number:03d}_*") if path.is_dir())
    if len(found) != 1:
        raise UserError(
            f"{nnUNet_raw} has {len(found)} data sets with number {number}{': ' if found else ''}{', '.join(found)}; "
            "give the number of one data set there, or make one with `cuescan prepare`"
        )
    return found[0]


def check_raw(name: str) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Check cues, labels and files of a raw data set; return its cases (name -> image files) and dataset.json.

    Raises:
        UserError: names the file, the case and the remedy.
    """
    folder = Path(nnUNet_raw) / name
    dataset_json = load_json(folder / "dataset.json")
    source = folder / cue_file.NAME
    cues = read_cues(source)
    refusals.check_labels(cues, dataset_json, source)
    dataset = get_filenames_of_train_images_and_targets(str(folder), load_json(folder / "dataset.json"))
    if not dataset:
        raise UserError(f"{folder / 'imagesTr'}: no images; make the data set with `cuescan prepare`")
    check_cues(cues, dataset, source)
    for case, files in dataset.items():
        if not Path(files["label"]).is_file():
            raise UserError(
                f"{files['label']}: no such file, but nnU-Net needs one for case '{case}'; write one with the ignore "
                "label everywhere, or make the data set with `cuescan prepare`"
            )
    return {case: files["images"] for case, files in dataset.items()}, dataset_json


def plan(number: int, processes: int = 1) -> Path:
    """Check, plan and preprocess a data set and take over its cues; return the path of the plans.

    Raises:
        UserError: something in the data set is wrong; nothing is changed then.
    """
    name = dataset_name(number)
    cases, dataset_json = check_raw(name)
    folder = Path(nnUNet_preprocessed) / name
    _check_splits(Path(nnUNet_raw) / name / "splits_final.json", folder / "splits_final.json")
    found = fingerprint.extract_fingerprint(cases, dataset_json, processes)
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint.write_json(found, folder / fingerprint.FILE)
    if os.environ.get("nnUNet_n_proc_DA") == "0":  # right for training, but nnU-Net's planning divides work by it
        os.environ["nnUNet_n_proc_DA"] = "1"
    WholeImagePlanner(name, NO_MEMORY_LIMIT, plans_name=PLANS).plan_experiment()
    preprocess_dataset(number, PLANS, ("2d",), [processes])
    cue_file.copy_cues(name)
    return folder / f"{PLANS}.json"


def take_over_cues(number: int) -> Path:
    """Check the raw cues of a planned data set and copy them beside the plans; return the copy's path.

    Raises:
        UserError: the data set is not planned yet, or its cues do not fit it.
    """
    name = dataset_name(number)
    plans = Path(nnUNet_preprocessed) / name / f"{PLANS}.json"
    if not plans.is_file():
        raise UserError(f"{plans}: no such file, the data set is not planned yet; run {cue_file.remedy(name)}")
    check_raw(name)
    return cue_file.copy_cues(name)


def _check_splits(raw: Path, copy: Path) -> None:
    if raw.is_file() and copy.is_file() and json.loads(raw.read_bytes()) != json.loads(copy.read_bytes()):
        raise UserError(f"{copy} differs from {raw}, and trained folds depend on it; remove the one that is wrong")
