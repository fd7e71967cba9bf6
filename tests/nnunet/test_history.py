from __future__ import annotations

import json
import math

import pytest
from PIL import Image

from cuescan.nnunet import history
from cuescan.report.curves import read_training


def log_of(scores, dense):
    log = {"mean_fg_dice": [], "train_losses": [1.0] * len(scores)}
    log |= {"epoch_start_timestamps": [0.0] * len(scores), "epoch_end_timestamps": [2.5] * len(scores)}
    history.add_keys(log)
    for key in history.KEYS:
        log[history.PREFIX + key] = list(dense if key.startswith("dense") else scores)
    return log


def test_the_best_score_is_chosen_and_the_last_of_equals():
    assert history.chosen_epoch(log_of([0.1, 0.5, 0.3], [0, 0, 0])) == 1
    assert history.chosen_epoch(log_of([0.0, 0.0, 0.0], [0, 0, 0])) == 2


def test_unknown_values_are_null_in_the_file_and_absent_in_the_figure(tmp_path):
    history.write(log_of([0.1, 0.5], [math.nan, math.nan]), tmp_path, "best")
    rows = [json.loads(line) for line in (tmp_path / history.FILE).read_text().splitlines()]
    assert [row["score"] for row in rows] == [0.1, 0.5] and rows[0]["dense_miou"] is None
    assert rows[1]["epoch"] == 1 and rows[1]["seconds"] == 2.5
    without = Image.open(tmp_path / history.FIGURE).size
    history.write(log_of([0.1, 0.5], [0.2, 0.3]), tmp_path, "best")
    assert Image.open(tmp_path / history.FIGURE).size[1] > without[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["progress.png", "progress_cues.jsonl"]


@pytest.mark.parametrize(("keep", "kept"), [("best", 1), ("last", 2)])
def test_the_kept_epoch_is_marked_and_the_report_finds_it(tmp_path, keep, kept):
    history.write(log_of([0.1, 0.5, 0.3], [0, 0, 0]), tmp_path, keep)
    rows = [json.loads(line) for line in (tmp_path / history.FILE).read_text().splitlines()]
    assert [row["epoch"] for row in rows if row["kept"]] == [kept] == [read_training(tmp_path).chosen]


def test_keys_that_a_restored_log_lacks_are_filled():
    log = {"mean_fg_dice": [0.1, 0.2]}
    history.add_keys(log)
    assert all(len(log[history.PREFIX + key]) == 2 for key in history.KEYS)
