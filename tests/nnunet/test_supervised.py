"""The fully supervised bound, by nnU-Net's own network for a given time."""

from __future__ import annotations

import json

import pytest

from cuescan.errors import UserError
from cuescan.nnunet.supervised_trainer import minutes


def test_it_stops_in_time_and_leaves_a_model_and_a_validation(workplace):
    printed = workplace.run(
        *("nnUNetv2_train", "1", "2d", "1", "-tr", "SupervisedTrainer", "-device", "cpu"),
        CUESCAN_MINUTES="0.02",
        nnUNet_n_proc_DA="0",
    )
    fold = workplace.results / "Dataset001_Tiny" / "SupervisedTrainer__nnUNetPlans__2d" / "fold_1"
    assert (fold / "checkpoint_final.pth").stat().st_size > 0
    assert "Epoch 0" in printed and "Epoch 50" not in printed
    assert json.loads((fold / "validation" / "summary.json").read_text())["foreground_mean"]["Dice"] is not None


def test_the_final_validation_can_be_left_out_and_made_up_for(workplace):
    command = ("nnUNetv2_train", "1", "2d", "2", "-tr", "SupervisedTrainer", "-device", "cpu")
    short = {"CUESCAN_MINUTES": "0.01", "nnUNet_n_proc_DA": "0", "CUESCAN_FINAL_VALIDATION": "0"}
    fold = workplace.results / "Dataset001_Tiny" / "SupervisedTrainer__nnUNetPlans__2d" / "fold_2"
    (fold / "validation").mkdir(parents=True)
    (fold / "validation" / "case_002.png").write_text("of an earlier training")
    printed = workplace.run(*command, **short)
    assert "No final validation (CUESCAN_FINAL_VALIDATION=0); nnUNetv2_train ... --val makes up for it." in printed
    assert (fold / "checkpoint_final.pth").is_file() and not (fold / "validation").exists()
    workplace.run(*command, "--val", **short)
    assert (fold / "validation" / "summary.json").is_file()


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "inf"])
def test_minutes_must_be_a_positive_number(monkeypatch, text):
    monkeypatch.setenv("CUESCAN_MINUTES", text)
    with pytest.raises(UserError, match=f"CUESCAN_MINUTES is '{text}' but must be a number of minutes above 0"):
        minutes()
