"""benchmarks/weak.py: the table's means and spreads are numpy's, and published numbers stand in their own column."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from weak_stand_ins import STAMP, Hands, plan, worker
from weak_tables import figure, results
from weak_tables.published import FILE, check_names
from weak_tables.summary import bound, mean_of, over_seeds
from weak_tables.table import in_words, table

from cuescan.errors import UserError
from cuescan.evaluation.scores import METRICS

SHARES = st.floats(0, 1)
BOTH = {"PathMamba": {"trainer": "PathMambaTrainer", "published": "SC-CAM"}, "nnU-Net | masks": "SupervisedTrainer"}


def measured(tmp_path, iou, **changes):
    """results.json of a benchmark whose models have these mean IoUs."""
    made = plan(tmp_path, **{"methods": BOTH, **changes})
    hands = Hands(tmp_path, seconds=120, iou=iou)
    one = worker(made, hands)
    assert one.work(list(made.steps.values()), lambda step: None) == {}
    return results.document(made, one, STAMP, {})


def cells(text: str) -> dict[str, dict[str, str]]:
    """The table's rows, by method and by column."""
    lines = [line.strip("|").replace("\\|", "!") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


@given(st.dictionaries(st.integers(0, 5), st.lists(SHARES, min_size=1, max_size=4), min_size=1))
def test_spread_is_over_seeds(by_seed):
    rows = [{"seed": seed, "scores": {"mean": {"iou": value}}} for seed, values in by_seed.items() for value in values]
    found = over_seeds(rows, mean_of("iou"))
    means = np.array([np.mean(values) for values in by_seed.values()])
    assert math.isclose(found.mean, means.mean(), abs_tol=1e-12)
    if len(means) == 1:
        assert found.deviation is None
        assert in_words(found) == f"{means[0]:.3f}"
    else:
        assert math.isclose(found.deviation, math.sqrt(((means - means.mean()) ** 2).sum() / (len(means) - 1)),
                            abs_tol=1e-12)  # fmt: skip
        assert in_words(found) == f"{means.mean():.3f} ± {means.std(ddof=1):.3f}"


def test_what_no_model_has_is_absent():
    rows = [{"seed": 0, "scores": {"mean": {"iou": None}}}]
    assert over_seeds(rows, mean_of("iou")) is None
    assert over_seeds([*rows, {"seed": 0, "scores": {"mean": {"iou": 0.5}}}], mean_of("iou")).mean == 0.5


def test_the_table(tmp_path):
    def iou(folder):
        seed = int(folder.parent.name[-1])
        return (0.8 if "Supervised" in str(folder) else 0.4) + 0.1 * seed + (0.02 if folder.name == "fold_1" else 0)

    found = measured(tmp_path, iou, seeds=[0, 1, 2], folds=[0, 1])
    text = table(found)
    rows = cells(text)
    weak, dense = rows["PathMamba"], rows["nnU-Net ! masks"]
    values = np.array([0.41, 0.51, 0.61])
    assert weak["mIoU"] == f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" == "0.510 ± 0.100"
    assert weak["IoU tumour"] == "0.510 ± 0.100"
    assert weak["IoU stroma"] == "0.255 ± 0.050"
    assert (weak["mDice"], weak["mPrecision"], weak["mRecall"]) == ("0.500 ± 0.000", "0.250 ± 0.000", "0.750 ± 0.000")
    assert dense["mIoU"] == "0.910 ± 0.100"
    assert (weak["of the bound"], dense["of the bound"]) == (f"{0.51 / 0.91:.1%}", "100.0%")
    assert (weak["minutes"], weak["models"], weak["learns from"]) == ("2.0", "6", "image labels")
    assert "published" not in text.lower()  # nothing is published on synthetic tissue
    assert "test set: 2 images (drawn from another seed)" in text
    assert "12 of 12 models are scored" in text
    assert "commit 012345678; python 3" in text


def test_published_numbers_stand_apart(tmp_path):
    found = measured(tmp_path, lambda _: 0.5)
    entries = [entry for entry in json.loads(FILE.read_text()) if entry["data"] == "glas"]
    text = table({**found, "published": entries})
    rows = cells(text)
    column = "published mDice / mIoU / mP / mR"
    assert rows["PathMamba"][column] == "0.834 / 0.715 / – / – [1]"
    assert rows["PathMamba"]["mIoU"] == "0.500"
    assert rows["nnU-Net ! masks"][column] == "–"
    assert rows["OEEM"][column] == "0.874 / 0.776 / – / – [1]"
    assert {rows["OEEM"][name] for name in ("mDice", "mIoU", "mRecall", "minutes", "models", "of the bound")} == {"–"}
    assert "SC-CAM" not in rows  # it stands beside the row that names it
    assert f"[1] {entries[0]['source']} ({entries[0]['tests']})" in text


def test_every_published_number_has_its_source():
    entries = json.loads(FILE.read_text())
    assert len({(entry["data"], entry["method"]) for entry in entries}) == len(entries)
    for entry in entries:
        assert set(entry) == {"data", "method", "learns_from", "scores", "source", "tests"}
        assert set(entry["scores"]) <= set(METRICS)
        assert all(0 < value < 1 for value in entry["scores"].values())
        assert entry["source"]
    ours = {e["data"]: e["scores"] for e in entries if e["method"] == "PathMamba"}
    assert ours["luad_histoseg"] == {"dice": 0.842, "iou": 0.767, "precision": 0.87, "recall": 0.853}


def test_trainings_of_different_origin_are_told(tmp_path):
    found = measured(tmp_path, lambda _: 0.5)
    assert "different" not in table(found)
    first, second = found["rows"]
    other = {**second, "commit": "fedcba9876543", "machine": {**second["machine"], "gpu": "H200"}}
    text = table({**found, "rows": [first, other]})
    assert "The trainings are of different commits (see results.json): 012345678, fedcba987." in text
    assert "The trainings ran on different machines (see results.json): do not compare their minutes." in text


def test_an_unknown_published_name_is_refused():
    check_names({"OEEM", "B+CMB"}, "glas")
    with pytest.raises(UserError, match="no published numbers of 'OEM' for glas, did you mean 'OEEM'?"):
        check_names({"OEM"}, "glas")


def test_results_tell_each_run(tmp_path):
    found = measured(tmp_path, lambda _: 0.25, seeds=[0, 3])
    assert [(row["method"], row["seed"], row["fold"], row["stage"]) for row in found["rows"]] == [
        ("PathMamba", 0, 0, 1), ("nnU-Net | masks", 0, 0, 1), ("PathMamba", 3, 0, 1), ("nnU-Net | masks", 3, 0, 1),
    ]  # fmt: skip
    row = found["rows"][0]
    assert row["trainer"] == "PathMambaTrainer"
    assert row["minutes"] == 2
    assert row["commit"] == "0123456789abc"
    assert row["scores"]["mean"]["iou"] == 0.25
    assert (tmp_path / row["predictions"] / "scores.json").is_file()
    assert (tmp_path / row["training"]).is_dir()
    assert found["planned"] == 4
    assert {"machine", "commit", "versions", "data", "seeds", "rows", "published"} <= set(found)
    json.dumps(found, allow_nan=False)


def test_two_stages_count_together(tmp_path):
    methods = {"PathMamba": {"trainer": "PathMambaTrainer", "second_stage": {"trainer": "SupervisedTrainer",
               "label_folds": [0, 1, 2, 3, 4]}}}  # fmt: skip
    found = measured(tmp_path, lambda _: 0.5, methods=methods)
    one, two = found["rows"]
    assert (one["label"], one["stage"], one["minutes"]) == ("PathMamba", 1, 2)
    assert (two["label"], two["stage"], two["minutes"]) == ("PathMamba + SupervisedTrainer", 2, 12)
    assert (two["trainer"], two["learns_from"]) == ("SupervisedTrainer", "pseudo-labels")
    assert bound(found["rows"]) is None  # pseudo-labels are no full supervision


def test_the_figure(tmp_path):
    found = measured(tmp_path, lambda folder: 0.3 + 0.1 * int(folder.parent.name[-1]), seeds=[0, 1, 2])
    path = tmp_path / "figure.png"
    figure.draw(found, path)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[1] > 1000
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):  # labels and masks
        assert (np.abs(pixels.astype(int) - colour).max(-1) < 8).sum() > 50
    assert list(tmp_path.glob(".figure*")) == []
    figure.draw({**found, "rows": []}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
