"""Curves of weak trainings and of nnU-Net's own, and how they are drawn."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported_runs import EPOCHS

from cuescan.report.charts import charts
from cuescan.report.curves import Curve, Training, read_training

LOG = """
2026-11-22 06:21:54.278217: Epoch {epoch} 
2026-11-22 06:22:20.464106: train_loss {loss} 
2026-11-22 06:22:20.466013: val_loss -0.25 
2026-11-22 06:22:20.466092: Pseudo dice [np.float32(0.25), np.float32(nan), 0.75] 
2026-11-22 06:22:20.466171: Epoch time: 26.5 s 
"""  # noqa: W291 - nnU-Net ends its lines with a blank


def test_the_curves_of_a_weak_training(tmp_path):
    (tmp_path / "progress_cues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in EPOCHS))
    training = read_training(tmp_path)
    curves = {curve.name: curve.values for panel in training.panels.values() for curve in panel}
    assert curves["loss"] == (1.6, 1.2, 0.9)
    assert curves["dense miou"] == (None, 0.5, 0.6)
    assert set(curves) == {"loss", "score", "leak", "vanish", "dense miou"}
    assert (training.chosen, training.epochs, training.seconds) == (1, 3, 180)


def test_of_equal_scores_the_last_is_the_chosen_one_as_in_training(tmp_path):
    rows = [{"epoch": epoch, "loss": 1.0, "score": score} for epoch, score in enumerate([0.2, 0.5, 0.5, None])]
    (tmp_path / "progress_cues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_training(tmp_path).chosen == 2


def test_the_log_of_nnunets_own_trainer_and_of_its_continuation(tmp_path):
    (tmp_path / "training_log_2026_1.txt").write_text(LOG.format(epoch=0, loss=1.5) + LOG.format(epoch=1, loss=1.1))
    (tmp_path / "training_log_2026_2.txt").write_text(LOG.format(epoch=1, loss=0.9) + LOG.format(epoch=2, loss=-0.5))
    training = read_training(tmp_path)
    curves = {curve.name: curve.values for panel in training.panels.values() for curve in panel}
    assert curves["training"] == (1.5, 0.9, -0.5)
    assert curves["validation"] == (-0.25,) * 3
    assert curves["mean over classes"] == (0.5,) * 3
    assert training.chosen is None and training.seconds == pytest.approx(79.5)


def test_no_curves_no_training(tmp_path):
    assert read_training(tmp_path) is None


values = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=40).filter(any)


@given(st.lists(values, min_size=1, max_size=3), st.booleans())
def test_every_known_number_is_a_point_inside_its_chart(series, loss):
    longest = max(map(len, series))
    curves = tuple(Curve(f"c{i}", tuple(row + [None] * (longest - len(row)))) for i, row in enumerate(series))
    if not loss:
        curves = tuple(Curve(c.name, tuple(None if v is None else abs(v) % 1 for v in c.values)) for c in curves)
    (chart,) = charts(Training({"Training loss" if loss else "Score": curves}, 0, 0))
    for curve, line in zip(curves, chart.lines, strict=True):
        known = [value for value in curve.values if value is not None]
        assert len(line.points) == len(known)
        for x, y in line.points:
            assert chart.left - 0.01 <= x <= chart.right + 0.01 and chart.top - 0.01 <= y <= chart.bottom + 0.01
        order = sorted(range(len(known)), key=known.__getitem__)
        heights = [line.points[index][1] for index in order]
        assert all(a >= b - 1e-6 for a, b in zip(heights, heights[1:], strict=False))


def test_ticks_are_whole_epochs_and_the_kept_one_is_marked(place, report):
    page = report(place.fold)
    assert "The dotted line is epoch 1" in page
    chart = re.search(r'aria-label="Training loss by epoch">(.*?)</svg>', page, re.S)[1]
    columns = re.findall(r'text-anchor="middle">([^<]*)<', chart)
    assert columns == ["0", "1", "2"]
    assert len(re.findall(r'class="chosen"', chart)) == 1 and "loss <b>1.200</b>" in page
