"""``cuescan evaluate`` on folders: what it prints and saves, and what it says of bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from cuescan.cli import main
from cuescan.cues import Cue, Cues, write_cues

REFERENCE = {"a": [[1, 1, 1, 2], [0, 0, 3, 3]], "b": [[0, 0], [2, 2]]}
PREDICTION = {"a": [[1, 1, 2, 2], [0, 1, 1, 2]], "b": [[0, 0], [2, 2]]}


@pytest.fixture
def folders(tmp_path, write_masks, write_dataset_json):
    write_dataset_json(tmp_path / "pred", "tumour", "stroma")
    return write_masks(tmp_path / "pred", PREDICTION), write_masks(tmp_path / "labelsTs", REFERENCE)


def strict(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def evaluate(*arguments) -> int:
    return main(["evaluate", *map(str, arguments)])


def test_prints_and_saves_the_scores(folders, capsys):
    predictions, masks = folders
    assert evaluate(predictions, masks) == 0
    printed = capsys.readouterr().out
    assert "mDice 0.7619" in printed and "mIoU 0.6250" in printed and "(2 cases)" in printed
    assert "lowest mean IoU: a 0.500, b 1.000" in printed
    saved = strict(predictions / "scores.json")
    assert saved["mean"]["iou"] == 0.625
    assert saved["classes"]["stroma"]["iou"] == 0.75
    assert saved["classes"]["background"]["label"] == 0
    assert saved["cases"]["b"] == {"mean_iou": 1.0, "iou": {"background": 1.0, "tumour": None, "stroma": 1.0}}
    assert saved["software"]["cuescan"]
    assert not list(predictions.glob("*.tmp"))


def test_an_absent_class_is_reported_and_leaves_the_mean_alone(tmp_path, write_masks, write_dataset_json, capsys):
    folder = write_masks(tmp_path / "pred", {"a": [[1, 0]]})
    dataset = write_dataset_json(tmp_path, "tumour", "stroma")
    masks = write_masks(tmp_path / "labels", {"a": [[1, 0]]})
    assert evaluate(folder, masks, "--dataset-json", dataset, "-o", tmp_path / "out.json") == 0
    assert "absent" in capsys.readouterr().out
    saved = strict(tmp_path / "out.json")
    assert saved["mean"]["iou"] == 1
    assert saved["classes"]["stroma"]["absent"] and saved["classes"]["stroma"]["iou"] is None


def test_background_in_the_mean_on_request(folders, capsys):
    predictions, masks = folders
    evaluate(predictions, masks, "--include-background")
    assert "mean with background" in capsys.readouterr().out
    saved = strict(predictions / "scores.json")
    assert saved["mean"]["iou"] == pytest.approx(np.mean([row["iou"] for row in saved["classes"].values()]))


@pytest.mark.parametrize("where", ["dataset.json", "cues.json"])
def test_no_background_row_where_the_data_set_has_none(tmp_path, write_masks, write_dataset_json, where, capsys):
    predictions = write_masks(tmp_path / "pred", {"a": [[1, 0, 2, 2]]})
    masks = write_masks(tmp_path / "raw" / "labelsTs", {"a": [[1, 1, 2, 3]]})
    if where == "dataset.json":
        write_dataset_json(predictions, "normal", "gland", background=False)
    else:
        write_dataset_json(predictions, "normal", "gland")
        write_cues(Cues(("normal", "gland"), False, {"x": Cue({"gland": 1})}), tmp_path / "raw" / "cues.json")
    assert evaluate(predictions, masks) == 0
    saved = strict(predictions / "scores.json")
    assert list(saved["classes"]) == ["normal", "gland"]
    assert saved["classes"]["normal"]["recall"] == 0.5
    assert evaluate(predictions, masks, "--include-background") == 2
    assert "has no background" in capsys.readouterr().err


def test_finds_dataset_json_beside_the_masks_and_in_nnunet_raw(
    tmp_path, write_masks, write_dataset_json, monkeypatch, capsys
):
    raw = tmp_path / "raw" / "Dataset007_Colon"
    write_dataset_json(raw, "tumour", "stroma")
    masks = write_masks(raw / "labelsTs", REFERENCE)
    elsewhere = write_masks(tmp_path / "elsewhere", REFERENCE)
    predictions = write_masks(tmp_path / "pred", PREDICTION)
    assert evaluate(predictions, masks) == 0
    assert evaluate(predictions, elsewhere) == 2
    assert "name the data set with -d ID" in capsys.readouterr().err
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    for name in ("7", "Dataset007_Colon"):
        assert evaluate(predictions, elsewhere, "-d", name) == 0
    assert evaluate(predictions, elsewhere, "-d", "8") == 2
    assert "0 data sets are called Dataset008_*" in capsys.readouterr().err
    monkeypatch.delenv("nnUNet_raw")
    assert evaluate(predictions, elsewhere, "-d", "7") == 2


def test_nifti_and_png_score_the_same(folders, tmp_path, write_dataset_json):
    predictions, masks = folders
    nifti = tmp_path / "nifti"
    write_dataset_json(nifti, "tumour", "stroma")
    for case, mask in PREDICTION.items():
        volume = np.asarray(mask, np.float32)[None]
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(nifti / f"{case}.nii.gz"))
    assert evaluate(predictions, masks) == evaluate(nifti, masks) == 0
    assert strict(predictions / "scores.json")["classes"] == strict(nifti / "scores.json")["classes"]


def test_one_fold_is_scored_with_only_predicted(folders, capsys):
    predictions, masks = folders
    (predictions / "a.png").rename(predictions / "c.png")
    assert evaluate(predictions, masks) == 2
    assert f"{predictions}: no prediction for case 'a' of {masks}" in capsys.readouterr().err
    assert not (predictions / "scores.json").exists()
    assert evaluate(predictions, masks, "--only-predicted") == 0
    assert "not scored, no mask" in capsys.readouterr().out
    assert list(strict(predictions / "scores.json")["cases"]) == ["b"]


def test_tells_how_far_from_borders_the_wrong_pixels_are(tmp_path, write_masks, write_dataset_json, capsys):
    predictions = write_masks(tmp_path / "pred", {"a": [[1] * 10 + [2] * 10], "b": [[2, 1, 1, 1]]})
    masks = write_masks(tmp_path / "labelsTs", {"a": [[1] * 7 + [2] * 13], "b": [[1] * 4]})
    write_dataset_json(predictions, "normal", "gland", background=False)
    assert evaluate(predictions, masks, "--bands", "2", "4.5") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["0-2", "px", "2-4.5", "px", "further", "all"] in lines
    assert ["wrong,", "of", "all", "pixels", "8.3", "%", "4.2", "%", "4.2", "%", "16.7", "%"] in lines
    assert ["wrong,", "of", "these", "pixels", "50.0", "%", "25.0", "%", "6.2", "%", "16.7", "%"] in lines
    saved = strict(predictions / "scores.json")["borders"]
    assert saved == {"widths": [2.0, 4.5], "pixels": [4, 4, 16], "wrong": [2, 1, 1]}
    assert evaluate(predictions, masks) == 0
    assert "borders" not in strict(predictions / "scores.json")


@pytest.mark.parametrize("widths", [["0"], ["4", "2"], ["3", "3"], ["nan"]])
def test_bands_must_grow(folders, capsys, widths):
    assert evaluate(*folders, "--bands", *widths) == 2
    assert "--bands: widths must be positive and increasing, such as --bands 8 20" in capsys.readouterr().err


def test_pseudo_labels_are_scored_where_they_decide(tmp_path, write_masks, write_dataset_json, capsys):
    labels = write_masks(tmp_path / "Dataset602_X" / "labelsTr", {"a": [[1, 2, 2, 3]], "c": [[3, 3, 3, 3]]})
    write_dataset_json(tmp_path / "Dataset602_X", "normal", "gland", background=False)
    masks = write_masks(tmp_path / "masks", {"a": [[1, 2, 1, 1]], "b": [[1, 2, 1, 1]], "c": [[1, 2, 1, 1]]})
    assert evaluate(labels, masks, "--pseudo-labels") == 2
    assert "no prediction for case 'b'" in capsys.readouterr().err
    assert evaluate(labels, masks, "--pseudo-labels", "--only-predicted") == 0
    printed = capsys.readouterr().out
    assert "mIoU 0.5000" in printed
    assert "labelled: 37.5 % of the pixels; the others take no part" in printed
    saved = strict(tmp_path / "Dataset602_X" / "scores.json")
    assert (saved["undecided_pixels"], saved["cases"]["c"]["mean_iou"]) == (5, None)
    assert not (labels / "scores.json").exists(), "nnU-Net reads labelsTr"


def test_pseudo_labels_that_decide_nothing_are_told_so(tmp_path, write_masks, write_dataset_json, capsys):
    labels = write_masks(tmp_path / "new" / "labelsTr", {"a": [[3, 3]]})
    write_dataset_json(tmp_path / "new", "normal", "gland", background=False)
    masks = write_masks(tmp_path / "masks", {"a": [[1, 2]]})
    assert evaluate(labels, masks, "--pseudo-labels", "--bands", "4") == 0
    assert "labelled: 0.0 % of the pixels" in capsys.readouterr().out
    assert strict(tmp_path / "new" / "scores.json")["mean"]["iou"] is None


def test_pseudo_labels_need_an_ignore_label(folders, tmp_path, write_dataset_json, capsys):
    dataset = write_dataset_json(tmp_path / "plain", "tumour", "stroma", ignore=False)
    assert evaluate(*folders, "--pseudo-labels", "--dataset-json", dataset) == 2
    assert "has no label 'ignore', so every pixel is labelled: leave out --pseudo-labels" in capsys.readouterr().err


def spoil(predictions, masks, how) -> None:
    if how == "size":
        Image.new("L", (3, 2)).save(predictions / "b.png")
    elif how == "unknown prediction":
        Image.new("L", (2, 2), 9).save(predictions / "b.png")
    elif how == "predicted ignore":
        Image.new("L", (2, 2), 3).save(predictions / "b.png")
    elif how == "unknown mask":
        Image.new("L", (2, 2), 255).save(masks / "b.png")
    elif how == "colours":
        Image.new("RGB", (2, 2), (1, 2, 3)).save(masks / "b.png")
    elif how == "truncated":
        noise = np.random.default_rng(0).integers(0, 3, (64, 64)).astype(np.uint8)
        Image.fromarray(noise).save(predictions / "b.png")
        content = (predictions / "b.png").read_bytes()
        (predictions / "b.png").write_bytes(content[: len(content) // 2])
    elif how == "all ignored":
        Image.new("L", (4, 2), 3).save(masks / "a.png")
        Image.new("L", (2, 2), 3).save(masks / "b.png")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("size", "b.png: size 3 x 2 differs from 2 x 2 of the mask"),
        ("unknown prediction", "b.png: the prediction holds label 9, which dataset.json does not define (0 back"),
        ("predicted ignore", "b.png: the prediction holds label 3"),
        ("unknown mask", "b.png: the mask holds label 255, which dataset.json does not define"),
        ("colours", "b.png: the mask has colours; save its label numbers as gray"),
        ("truncated", "b.png: the image is truncated or damaged"),
        ("all ignored", "every pixel has the label 'ignore'"),
    ],
)
def test_bad_masks_end_in_one_sentence(folders, capsys, how, message):
    predictions, masks = folders
    spoil(predictions, masks, how)
    assert evaluate(predictions, masks) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (predictions / "scores.json").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "tumour": 2}, "without a gap"),
        ({"background": 0, "tumour": [1, 2]}, "one integer (no regions)"),
        ({"background": 0, "ignore": 1, "tumour": 2}, "'ignore' must be the highest label"),
        ({"background": 0, "ignore": 1}, "no class beside the background"),
        (None, "no 'labels' object"),
    ],
)
def test_labels_that_cannot_be_meant(folders, tmp_path, capsys, labels, message):
    dataset = tmp_path / "other.json"
    dataset.write_text(json.dumps({"labels": labels}))
    assert evaluate(*folders, "--dataset-json", dataset) == 2
    assert message in capsys.readouterr().err


def test_missing_folders(folders, tmp_path, capsys):
    predictions, masks = folders
    assert evaluate(predictions, tmp_path / "none") == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert evaluate(predictions, masks, "-o", tmp_path / "none" / "scores.json") == 2
    assert "make it, or choose another -o" in capsys.readouterr().err
