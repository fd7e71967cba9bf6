"""Folds may have text encoders of their own, as they have with the small one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from in_process import train
from tiny_encoder import make_encoder
from tiny_sentences import NAME

from cuescan.cli import main

TRAINER = {"number": 5, "trainer_name": "TIFCMambaTrainer"}


@pytest.fixture
def predict(sentences, encoder, monkeypatch, tmp_path, capsys):
    """Predict case_004 by a model of two folds with unlike encoders; gives the status and what is said."""
    shelf = tmp_path / "shelf"
    other = make_encoder(shelf / "other", seed=1)
    shutil.copytree(encoder, shelf / "one")
    train(**TRAINER)
    monkeypatch.setenv("CUESCAN_ENCODER", str(other))
    train(fold=1, **TRAINER)
    monkeypatch.delenv("CUESCAN_ENCODER")
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(sentences.raw / NAME / "imagesTr" / "case_004_0000.png", images)
    (tmp_path / "prompts.json").write_text(json.dumps({"case_004": "One square, box (20, 22, 44, 44). No stripe."}))

    def predict(output: str, encoder: str, *folds: str) -> tuple[int, str]:
        status = main(
            ["predict", "-i", str(images), "-o", str(tmp_path / output), "-d", "5", "-device", "cpu", "-f", *folds]
            + ["--prompts", str(tmp_path / "prompts.json"), "--encoder", str(shelf / encoder), "--save_probabilities"]
        )
        return status, capsys.readouterr().err

    return predict


def test_every_fold_is_prompted_through_its_own_encoder(predict, tmp_path):
    status, told = predict("refused", "other", "0")
    assert status == 2 and "this encoder has sha256" in told  # though plans.json names the encoder of fold 1
    status, told = predict("refused", "one", "0", "1")
    assert status == 2 and "this encoder has sha256" in told
    assert not (tmp_path / "refused").exists()
    for output, encoder, *folds in (("first", "one", "0"), ("second", "other", "1"), ("both", "", "0", "1")):
        assert predict(output, encoder, *folds)[0] == 0
    inside = (0, slice(23, 43), slice(21, 43))  # outside the stated box all agree
    logits = {}
    for output in ("first", "second", "both"):
        probabilities = np.load(tmp_path / output / "case_004.npz")["probabilities"]
        background, square, _ = (np.log(part[inside].astype(np.float64)) for part in probabilities)
        logits[output] = square - background
    assert abs(logits["first"] - logits["second"]).max() > 0.01
    np.testing.assert_allclose(logits["both"], (logits["first"] + logits["second"]) / 2, atol=1e-3)
