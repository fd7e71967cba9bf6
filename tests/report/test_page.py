"""What a page says: the numbers of independent computations, and the right cases."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import tiny_dataset as tiny
from hypothesis import given
from hypothesis import strategies as st
from page_parts import Page
from PIL import Image
from reported_runs import make_place
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from cuescan.cli import main
from cuescan.report.cases import selected


def numbers(text: str) -> list[str]:
    return re.findall(r"[\d.]+", text.replace("\u202f", ""))


def pixels(place):
    pairs = [(place.mask(case).ravel(), place.prediction(case).ravel()) for case in place.cases]
    return np.concatenate([mask for mask, _ in pairs]), np.concatenate([found for _, found in pairs])


def test_the_scores_are_those_of_one_confusion_matrix(place, report):
    page = Page(report(place.fold))
    truth, found = pixels(place)
    keep = truth != tiny.IGNORE
    dice = f1_score(truth[keep], found[keep], labels=[1, 2], average=None)
    iou = jaccard_score(truth[keep], found[keep], labels=[1, 2], average=None)
    assert f"mDice {dice.mean():.3f}" in page.text and f"mIoU {iou.mean():.3f}" in page.text
    rows = {row[0]: row for row in page.tables[0]}
    for number, name in enumerate(tiny.CLASSES):
        assert rows[name][1:3] == [f"{dice[number]:.3f}", f"{iou[number]:.3f}"]


def test_the_confusion_table_counts_pixels_and_shares_of_each_class(place, report):
    page = Page(report(place.fold))
    truth, found = pixels(place)
    expected = confusion_matrix(truth, found, labels=[0, 1, 2])
    table = next(table for table in page.tables if table[0][0] == "")
    assert table[0][1:] == [row[0] for row in table[1:]] == ["background", *tiny.CLASSES]
    for row, counts in zip(table[1:], expected, strict=True):
        shown = [numbers(cell) for cell in row[1:]]
        assert [int(cell[1]) for cell in shown] == counts.tolist()
        assert [float(cell[0]) for cell in shown] == pytest.approx((100 * counts / counts.sum()).tolist(), abs=0.06)


def test_a_column_for_pixels_of_no_class_where_there_is_no_background(place, report):
    plans = json.loads((place.fold.parent / "plans.json").read_text())
    plans["cuescan"]["background"] = False
    (place.fold.parent / "plans.json").write_text(json.dumps(plans))
    for case in place.cases:
        mask = place.mask(case)
        tiny.save(place.raw / "labelsTr" / f"{case}.png", np.where(mask == 0, 1, mask).astype(np.uint8))
    cues = json.loads((place.raw / "cues.json").read_text())
    tiny.write(place.raw / "cues.json", cues | {"background": False})
    table = next(table for table in Page(report(place.fold)).tables if table[0][0] == "")
    assert table[0][1] == "no class"
    assert [row[0] for row in table[1:]] == list(tiny.CLASSES)


def test_pictures_show_the_case_and_its_masks(place, report):
    page = Page(report(place.fold))
    case = place.cases[0]
    picture = page.images[f"image of {case}"]
    original = np.asarray(Image.open(place.raw / "imagesTr" / f"{case}_0000.png"), np.float32)
    small = np.asarray(Image.fromarray(picture).resize(original.shape[1::-1], Image.Resampling.BOX), np.float32)
    assert abs(small - original).mean() < 12
    changed = abs(page.images[f"reference of {case}"].astype(int) - picture).max(axis=2) > 25
    labelled = np.kron(place.mask(case) > 0, np.ones((8, 8), bool))
    assert changed.shape == labelled.shape
    assert changed[labelled].mean() > 0.5 > 0.1 > changed[~labelled].mean()


def test_confidence_is_drawn_where_it_is_stored_and_said_to_be_missing_elsewhere(place, report):
    stored, other = place.cases
    place.store_probabilities(stored)
    html = report(place.fold)
    drawn = Page(html).images[f"confidence of {stored}"].astype(float).mean(axis=2)
    half = len(drawn) // 2
    assert drawn[: half - 8].mean() > 200 > 60 > drawn[half + 8 :].mean()
    assert f"confidence of {other}" not in Page(html).images and "not stored" in Page(html).text
    assert "confidence 33.3 %" in Page(html).text


def test_without_probabilities_the_page_names_the_command_that_stores_them(place, report):
    text = Page(report(place.fold)).text
    assert "nnUNetv2_train 1 2d 0 -tr PathMambaTrainer -p nnUNetPlans --val --npz" in text


def test_the_recipe_has_options_network_versions_seed_and_commit(place, report):
    text = Page(report(place.fold)).text
    for fact in (
        "lr 0.001", "seed 7", "trunk.input_mean 0.5, 0.5, 0.5", "torch 2.15.0", "commit 42379cd7aa0859e8aabc",
        "patch size 48, 48", "normalisation RGBTo01Normalization", "weights of epoch 1", "time 3 min", "device cpu",
    ):  # fmt: skip
        assert fact in text


def test_cues_alone_give_cases_and_agreement_but_no_scores(weak_place, report, capsys):
    page = Page(report(weak_place.fold))
    assert "no reference masks" in capsys.readouterr().out
    assert page.headings[0] == "Cases" and "Scores" not in page.headings
    assert {alt.split(" of ")[0] for alt in page.images} == {"image", "prediction"}
    cues = json.loads((weak_place.raw / "cues.json").read_text())["cues"]
    stated = [cues[case]["labels"] for case in weak_place.cases]
    found = [set(np.unique(weak_place.prediction(case))) for case in weak_place.cases]
    table = next(table for table in page.tables if "stated present" in table[0])
    for label, (name, row) in enumerate(zip(tiny.CLASSES, table[1:], strict=True), start=1):
        counts = [
            sum(cue[name] == value and (not seen or label in there) for cue, there in zip(stated, found, strict=True))
            for value in (1, 0)
            for seen in (False, True)
        ]
        assert [int(cell) for cell in row[1:5]] == counts


def test_predictions_with_scores_of_cuescan_evaluate(place, report, capsys):
    assert main(["evaluate", str(place.predictions), str(place.raw / "labelsTr"), "--only-predicted"]) == 0
    told = re.search(r"mDice ([\d.]+)", capsys.readouterr().out)[1]
    page = Page(report(place.predictions))
    assert f"mDice {float(told):.3f}" in page.text
    assert "Confusion of classes" in page.headings and f"image of {place.cases[0]}" in page.images
    assert "Recipe" in page.headings and "Agreement with the cues" in page.headings


def test_where_the_wrong_pixels_are_once_evaluate_has_told(place, report, capsys):
    assert main(["evaluate", str(place.predictions), str(place.raw / "labelsTr"), "--only-predicted",
                 "--bands", "2", "6"]) == 0  # fmt: skip
    printed = [re.findall(r"([\d.]+) %", line) for line in capsys.readouterr().out.splitlines() if "wrong, of" in line]
    page = Page(report(place.predictions))
    table = next(table for table in page.tables if table[0][0] == "from a border between classes")
    assert [row[0] for row in table[1:]] == ["0-2 px", "2-6 px", "further"]
    shown = [tuple(numbers(cell)[0] for cell in row[1:]) for row in table[1:]]
    assert shown == list(zip(*printed, strict=True))[:-1]
    assert "Distance from borders" not in Page(report(place.fold)).headings


def test_a_bundle_is_reported_with_its_card(place, report, tmp_path):
    bundle = tmp_path / "bundle"
    predictions = bundle / "eval" / "predictions"
    predictions.parent.mkdir(parents=True)
    place.predictions.rename(predictions)
    card = {"network": "PathMamba", "classes": list(tiny.CLASSES), "options": {"lr": 0.5}, "commit": "abc"}
    (bundle / "models").mkdir()
    tiny.write(bundle / "models" / "model.json", card)
    assert main(["evaluate", str(predictions), str(place.raw / "labelsTr"), "--only-predicted",
                 "--dataset-json", str(place.raw / "dataset.json")]) == 0  # fmt: skip
    for folder in (bundle, predictions):
        page = Page(report(folder))
        assert "lr 0.5" in page.text and "commit abc" in page.text and len(page.images) == 6


def test_images_and_masks_from_elsewhere(place, report, tmp_path, monkeypatch):
    for name in ("images", "labels"):
        (place.raw / f"{name}Tr").rename(tmp_path / name)
    found = Page(report(place.fold, "--masks", tmp_path / "labels", "--images", tmp_path / "images"))
    assert {alt.split(" of ")[0] for alt in found.images} == {"image", "prediction", "reference"}
    monkeypatch.delenv("nnUNet_raw")
    bare = Page(report(place.fold))
    assert not bare.images and "--images" in bare.text and "--masks" in bare.text and "Training" in bare.headings


def test_cues_of_training_cases_are_not_those_of_test_cases_of_the_same_names(place, report):
    for name in ("images", "labels"):
        shutil.copytree(place.raw / f"{name}Tr", place.raw / f"{name}Ts")
    found = Page(report(place.fold, "--predictions", place.predictions, "--masks", place.raw / "labelsTs"))
    assert f"image of {place.cases[0]}" in found.images
    assert "Agreement with the cues" not in found.headings and "cue present" not in found.text


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.none() | st.floats(0, 1), min_size=1, max_size=20),
    st.integers(1, 5),
)
def test_the_shown_cases_are_the_extremes_and_no_case_is_shown_twice(ious, count):
    groups = selected(list(ious), ious, {}, count)
    shown = [case for group in groups.values() for case in group]
    assert len(set(shown)) == len(shown)
    known = {case: iou for case, iou in ious.items() if iou is not None}
    if known:
        worst, best = groups["Lowest mean IoU"], groups.get("Highest mean IoU", [])
        assert len(shown) == min(2 * count, len(known))
        rest = [known[case] for case in set(known) - set(shown)]
        assert all(known[case] <= min([*rest, *(known[case] for case in best)], default=1) for case in worst)
        assert all(known[case] >= max(rest, default=0) for case in best)


def test_the_most_contradictory_cases_come_first_without_masks():
    odd = {"a": 0.0, "b": 1.2, "c": 0.3, "d": 0.0}
    assert selected("abcd", {}, odd, 2) == {
        "Furthest from their cues": ["b", "c"],
        "Evenly spaced over all cases": ["a", "d"],
    }


def test_one_class_one_case(tmp_path, monkeypatch, report):
    place = make_place(tmp_path, monkeypatch)
    for case in place.cases[1:]:
        (place.predictions / f"{case}.png").unlink()
    page = Page(report(place.fold, "-n", 9))
    assert "Highest mean IoU" not in page.headings and "1 case" in page.text
