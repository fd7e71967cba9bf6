"""Bundles learn from labels of parts of images, as the nnU-Net trainer does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from cuescan.cues import Cue, Cues, Part
from cuescan.cues.balance import balanced_absence
from cuescan.cues.writing import write_cues
from cuescan.data.prepare import Inputs, prepare
from cuescan.errors import UserError
from cuescan.monai.datalist import read_datalist, write_datalist
from cuescan.share import share_path

BOXES = {"c0": (8, 3, 20, 33), "c1": (0, 20, 31, 56), "c2": (10, 10, 38, 24)}
SIZES = {"c0": (40, 56), "c1": (56, 64), "c2": (48, 40)}


def parts(case: str, box: tuple[int, int, int, int]) -> tuple[Part, ...]:
    return (Part(box, {"a": 1, "b": None}), *([Part((0, 0, 8, 8), {"a": 0, "b": 1})] if case == "c1" else []))


def data_set(folder: Path, boxes=BOXES) -> Path:
    """Dark images in which a bright rectangle is the first part; c0 has a black border, c3 no part but a label."""
    (folder / "images").mkdir()
    for case, size in {**SIZES, "c3": (40, 40)}.items():
        pixels = np.full((*size, 3), 20, np.uint8)
        if case in BOXES:
            top, left, bottom, right = BOXES[case]
            pixels[top:bottom, left:right] = 250
        if case == "c0":
            pixels[:5] = pixels[:, -7:] = 0
        Image.fromarray(pixels).save(folder / "images" / f"{case}.png")
    cues = {case: Cue.of_parts(parts(case, box)) for case, box in boxes.items()} | {"c3": Cue({"a": 0, "b": 1})}
    write_cues(Cues(("a", "b"), cues=cues), folder / "cues.json")
    return prepare(Inputs(folder / "images", folder / "cues.json"), 5, "Parts", output=folder / "raw", folds=2)


def bundle(dataset: Path, folder: Path, **options) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(share_path("bundles") / "pathmamba" / "configs" / "train.json")
    parser.config.update({"bundle_root": str(folder), "dataset_dir": str(dataset), "batch_size": 4, **options})
    return parser


@pytest.mark.parametrize("listed", [False, True])
def test_a_part_covers_the_same_pixels_after_augmentation_and_padding(tmp_path, listed):
    dataset = data_set(tmp_path)
    if listed:
        write_datalist(dataset)
        for name in ("dataset.json", "cues.json", "splits_final.json"):
            (dataset / name).unlink()
    parser = bundle(dataset, tmp_path, stain_jitter=0.0)
    augmentation = parser.get_parsed_content("train#augmentation")
    supervision = parser.get_parsed_content("supervision")
    turns = set()
    for epoch in range(6):
        augmentation.set_epoch(epoch)
        for batch in parser.get_parsed_content("train#dataloader"):
            image, (labels, valid, boxes), _, _ = supervision.prepare_batch(batch)
            turns |= {tuple(turn.tolist()) for turn in batch["turn"]}
            assert valid.shape[2:] == image.shape[2:] == (64, 64)
            for number, case in enumerate(batch["case"]):
                found = torch.zeros(64, 64, dtype=torch.bool)
                top, left, bottom, right = (round(float(side)) for side in boxes[number, 0])
                found[top:bottom, left:right] = True
                if case in BOXES:
                    assert torch.equal(found, image[number].mean(0) > 0.5)
                    assert labels[number, 0].tolist() == [1, pytest.approx(np.nan, nan_ok=True)]
                else:
                    assert torch.equal(found, valid[number, 0]) and labels[number, 0].tolist() == [0, 1]
                assert labels[number, 1:].isfinite().sum() == (2 if case == "c1" else 0)
    assert len(turns) > 3


def test_labels_of_parts_change_the_loss_and_the_score(tmp_path):
    parser = bundle(data_set(tmp_path), tmp_path)
    supervision = parser.get_parsed_content("supervision")
    batch = next(iter(parser.get_parsed_content("validate#dataloader")))
    image, (labels, valid, boxes), _, _ = supervision.prepare_batch(batch)
    supervision.network.deep_supervision = True
    maps = supervision.network(image)
    of_parts = supervision.loss(maps, (labels, valid, boxes))
    of_images = supervision.loss(maps, (supervision._labels(batch), valid))
    assert of_parts.isfinite() and not torch.isclose(of_parts, of_images)
    supervision.network.deep_supervision = False
    found = supervision.judge(batch)
    stated = [cue for case, cue in supervision.datalist.cues.cues.items() if case in batch["case"]]
    assert found.present == sum(
        value == 1 for cue in stated for part in cue.parts or (cue,) for value in part.labels.values()
    )


def test_cases_that_only_parts_label_are_learned_from_and_others_refused(tmp_path):
    dataset = data_set(tmp_path)
    document = json.loads((dataset / "cues.json").read_text())
    for case in document["cues"].values():
        if "parts" in case:
            case.pop("labels")
    (dataset / "cues.json").write_text(json.dumps(document))
    bundle(dataset, tmp_path).get_parsed_content("supervision").prepare()
    document["cues"]["c1"] = {"text": "nothing known"}
    (dataset / "cues.json").write_text(json.dumps(document))
    fold = next(number for number, split in enumerate(read_datalist(dataset).splits) if "c1" in split[0])
    with pytest.raises(UserError, match="case 'c1' states no label, but PathMamba learns from labels only"):
        bundle(dataset, tmp_path, fold=fold).get_parsed_content("supervision").prepare()


def test_a_part_beyond_its_image_is_refused_by_name(tmp_path):
    dataset = data_set(tmp_path, BOXES | {"c2": (0, 0, 49, 40)})
    with pytest.raises(UserError, match="case 'c2': a part reaches beyond the image, which has 48 rows and 40 columns"):
        bundle(dataset, tmp_path).get_parsed_content("supervision").prepare()


def test_absence_is_balanced_over_parts_and_a_wrong_weight_is_told_by_the_name_bundles_know(tmp_path):
    dataset = data_set(tmp_path)
    loss = bundle(dataset, tmp_path, loss_arguments={"absent": "pixels", "absent_weight": "balanced"})
    supervision = loss.get_parsed_content("supervision")
    cases = [item["case"] for item in supervision.datalist.training(0)]
    expected = balanced_absence(supervision.datalist.cues, cases)
    assert supervision.criterion.absent_weight.flatten().tolist() == pytest.approx(expected)
    wrong = bundle(dataset, tmp_path, loss_arguments={"absent": "pixels", "absent_weight": [1]})
    with pytest.raises(RuntimeError) as caught:  # MONAI's, about what it builds
        wrong.get_parsed_content("supervision")
    assert str(caught.value.__cause__).startswith(
        'loss_arguments: absent_weight is [1] but must be "balanced" or one number for each of a, b'
    )
