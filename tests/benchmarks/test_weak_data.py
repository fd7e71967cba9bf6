"""benchmarks/weak.py: whole images from crops, and a user's data set with the last fold held out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from weak_stand_ins import plan
from weak_tables.take_dataset import take
from weak_tables.whole_images import join, join_dataset

from cuescan.cues import read_cues
from cuescan.data.crops import crop_starts
from cuescan.errors import UserError
from cuescan.share import share_path

SIZES = {"one": (40, 56), "two": (32, 47), "three": (35, 32)}


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def document(folder: Path, cases: dict[str, dict], folds: list[dict], ignore: int = 3) -> None:
    """The three files of a raw data set with classes normal and gland."""
    cues = {"version": 1, "classes": ["normal", "gland"], "background": False,
            "cues": {case: {"labels": labels} for case, labels in cases.items()}}  # fmt: skip
    labels = {"background": 0, "normal": 1, "gland": 2, "ignore": ignore}
    header = {"channel_names": {"0": "rgb_to_0_1", "1": "rgb_to_0_1", "2": "rgb_to_0_1"}, "labels": labels,
              "background": False, "numTraining": len(cases), "file_ending": ".png"}  # fmt: skip
    for name, content in (("cues", cues), ("splits_final", folds), ("dataset", header)):
        (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def crops(tmp_path) -> tuple[Path, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A data set of crops, and the images and masks that they were cut from."""
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (*size, 3), np.uint8) for name, size in SIZES.items()}
    masks = {name: rng.integers(1, 3, size, dtype=np.uint8) for name, size in SIZES.items()}
    folder, cases = tmp_path / "Dataset001_Crops", {}
    for name, (height, width) in SIZES.items():
        for y in crop_starts(height, 32, 16):
            for x in crop_starts(width, 32, 16):
                case, window = f"{name}_y{y:04d}_x{x:04d}", np.s_[y : y + 32, x : x + 32]
                write(folder / "imagesTr" / f"{case}_0000.png", images[name][window])
                write(folder / "labelsTr" / f"{case}.png", masks[name][window])
                cases[case] = {"normal": 1 if y else 0, "gland": None if name == "one" and x else 0}
    folds = [
        {side: [case for case in cases if (case.split("_")[0] == held) == (side == "val")] for side in ("train", "val")}
        for held in SIZES
    ]
    document(folder, cases, folds)
    return folder, images, masks


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_crops_become_the_images_again(crops, tmp_path):
    source, images, masks = crops
    target = join_dataset(source, tmp_path / "raw" / "Dataset601_Whole")
    for name in SIZES:
        np.testing.assert_array_equal(read(target / "imagesTr" / f"{name}_0000.png"), images[name])
        np.testing.assert_array_equal(read(target / "labelsTr" / f"{name}.png"), masks[name])
    header = json.loads((target / "dataset.json").read_text())
    assert header["labels"] == {"background": 0, "normal": 1, "gland": 2}
    assert header["numTraining"] == 3
    cues = read_cues(target / "cues.json").cues
    assert cues["one"].labels == {"normal": 1, "gland": None}  # some crop has it; not all crops tell
    assert cues["three"].labels == {"normal": 1, "gland": 0}
    folds = json.loads((target / "splits_final.json").read_text())
    assert [fold["val"] for fold in folds] == [["one"], ["two"], ["three"]]
    assert all(set(fold["train"]) == set(SIZES) - set(fold["val"]) for fold in folds)


def test_masks_that_are_partly_ignored_keep_the_label(crops, tmp_path):
    source, _, _ = crops
    for path in (source / "labelsTr").glob("two_*"):
        write(path, np.full((32, 32), 3, np.uint8))
    target = join_dataset(source, tmp_path / "raw" / "Dataset601_Whole")
    assert json.loads((target / "dataset.json").read_text())["labels"]["ignore"] == 3
    assert (read(target / "labelsTr" / "two.png") == 3).all()


def test_crops_that_do_not_cover_their_image(crops, tmp_path):
    source, _, _ = crops
    cues = json.loads((source / "cues.json").read_text())
    for case in ("one_y0008_x0016", "one_y0000_x0016", "one_y0008_x0024", "one_y0000_x0024"):
        del cues["cues"][case]
    del cues["cues"]["one_y0008_x0000"]
    cues["cues"]["one_y0008_x0024"] = {"labels": {"gland": 1}}
    (source / "cues.json").write_text(json.dumps(cues))
    with pytest.raises(UserError, match="image 'one': .* pixels are in no crop; cut crops that cover it, or leave"):
        join_dataset(source, tmp_path / "raw" / "Dataset601_Whole")
    assert not (tmp_path / "raw" / "Dataset601_Whole").exists()


@given(st.integers(32, 90), st.integers(32, 90), st.integers(1, 32))
def test_join_undoes_cutting(height, width, stride):
    image = np.arange(height * width, dtype=np.int32).reshape(height, width)
    placed = [
        (y, x, image[y : y + 32, x : x + 32])
        for y in crop_starts(height, 32, stride)
        for x in crop_starts(width, 32, stride)
    ]
    np.testing.assert_array_equal(join(placed), image)


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A user's data set in nnUNet_raw, without test images; case names have dots."""
    folder = tmp_path / "raw" / "Dataset101_Own"
    cases = {f"MPP-0.25+{n}": {"normal": 1, "gland": n % 2} for n in range(6)}
    for number, case in enumerate(cases):
        write(folder / "imagesTr" / f"{case}_0000.png", np.full((32, 32, 3), number, np.uint8))
        write(folder / "labelsTr" / f"{case}.png", np.full((32, 32), 1 + number % 2, np.uint8))
    names = list(cases)
    folds = [{"train": [c for c in names if c not in names[f::3]], "val": names[f::3]} for f in range(3)]
    document(folder, cases, folds)
    monkeypatch.setenv("nnUNet_raw", str(folder.parent))
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_last_fold_is_held_out(own, tmp_path):
    target = take(own, tmp_path / "out" / own.name)
    held = ["MPP-0.25+2", "MPP-0.25+5"]
    assert files(target / "labelsTs") == [f"{case}.png" for case in held]
    assert files(target / "imagesTs") == [f"{case}_0000.png" for case in held]
    assert len(files(target / "imagesTr")) == len(files(target / "labelsTr")) == 4
    assert set(read_cues(target / "cues.json").cues).isdisjoint(held)
    folds = json.loads((target / "splits_final.json").read_text())
    assert len(folds) == 2
    for fold in folds:
        assert set(fold["train"]) | set(fold["val"]) == {f"MPP-0.25+{n}" for n in (0, 1, 3, 4)}
        assert not set(fold["train"]) & set(fold["val"])
    assert files(own) == ["cues.json", "dataset.json", "imagesTr", "labelsTr", "splits_final.json"]


def test_crops_become_labelled_parts_of_whole_images(crops, tmp_path):
    told = read_cues(crops[0] / "cues.json")
    found = read_cues(join_dataset(crops[0], tmp_path / "Dataset601_Whole") / "cues.json")
    parts = [
        (f"{name}_y{part.box[0]:04d}_x{part.box[1]:04d}", part) for name in SIZES for part in found.cues[name].parts
    ]
    assert {case for case, _ in parts} == set(told.cues)
    for case, part in parts:
        top, left, bottom, right = part.box
        assert (bottom - top, right - left) == (32, 32) and part.labels == told.cues[case].labels


def test_test_images_are_taken_as_they_are(own, tmp_path):
    for kind in ("images", "labels"):
        first = files(own / f"{kind}Tr")[0]
        write(own / f"{kind}Ts" / first, read(own / f"{kind}Tr" / first))
    target = take(own, tmp_path / "out" / own.name)
    assert files(target / "labelsTs") == ["MPP-0.25+0.png"]
    assert len(files(target / "imagesTr")) == 6
    assert json.loads((target / "splits_final.json").read_text()) == json.loads((own / "splits_final.json").read_text())


def test_nothing_to_score_by(own, tmp_path):
    for path in (own / "labelsTr").iterdir():
        write(path, np.full((32, 32), 3, np.uint8))
    with pytest.raises(UserError, match="are all 'ignore', so nothing can be scored; give test images with masks"):
        take(own, tmp_path / "out" / own.name)
    with pytest.raises(UserError, match="'b' learns from masks, but the training cases of this data set have none"):
        plan(tmp_path / "out", data=101, methods={"a": "PathMambaTrainer", "b": "SupervisedTrainer"})


def test_a_data_set_by_its_number(own, tmp_path, monkeypatch):
    made = plan(tmp_path / "out", data=101)
    assert made.steps["prepare"].command[2:] == (str(own), str(tmp_path / "out" / "nnUNet_raw" / own.name))
    assert next(step for step in made.steps.values() if step.fold).command[1] == "101"
    with pytest.raises(UserError, match="0 data sets have the number 102; make one with `cuescan prepare`"):
        plan(tmp_path / "out", data=102)
    monkeypatch.delenv("nnUNet_raw")
    with pytest.raises(UserError, match="nnUNet_raw is not set, so data set 101 cannot be found"):
        plan(tmp_path / "out", data=101)


@pytest.mark.slow
def test_whole_images_of_the_real_crops(shared_data, tmp_path):
    script = share_path("preprocessing") / "glas.py"
    subprocess.run([sys.executable, str(script), str(shared_data / "glas"), "--output", str(tmp_path)], check=True)
    target = join_dataset(tmp_path / "Dataset111_GlaS", tmp_path / "Dataset601_Whole")
    masks = sorted((target / "labelsTr").iterdir())
    assert len(masks) == 85
    for path in masks:
        glands = read(shared_data / "glas" / "masks" / path.name) > 0
        np.testing.assert_array_equal(read(path), glands + 1)
