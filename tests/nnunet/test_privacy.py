"""Sentences stay in cues.json; and a set without any mask trains and validates with finite scores."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import tiny_dataset as tiny
from in_process import make_trainer, train

WORDS = ("Wilhelmina", "one dark square")


@pytest.fixture(scope="module")
def planned(workplace):
    """A planned data set without masks, of two image sizes, where each case has labels and a sentence."""
    folder = tiny.make_raw(workplace.raw, number=2, masks=False, sizes=((48, 40), (40, 56)))
    cues = json.loads((folder / "cues.json").read_text())
    for cue in cues["cues"].values():
        cue["text"] = tiny.SENTENCE
    tiny.write(folder / "cues.json", cues)
    workplace.run("cuescan", "plan", "-d", "2")


@pytest.fixture
def sentences(planned, active, tmp_path):
    return tmp_path


def test_no_sentence_leaves_cues_json_and_scores_are_finite(sentences, capfd):
    trainer = train(number=2)
    trainer.perform_actual_validation()
    assert not any(word in text for word in WORDS for text in capfd.readouterr())
    files = [path for path in (sentences / "results").rglob("*") if path.is_file()]
    assert {"checkpoint_final.pth", "plans.json", "debug.json", "summary.json", "progress.png"} <= {
        f.name for f in files
    }
    for path in files:
        content = path.read_bytes()
        assert not any(word.encode() in content for word in WORDS), path
    fold = Path(trainer.output_folder)
    (row,) = [json.loads(line) for line in (fold / "progress_cues.jsonl").read_text().splitlines()]
    assert 0 <= row["score"] <= 1 and row["dense_miou"] is None
    assert math.isfinite(trainer.log["ema_fg_dice"][-1])
    summary = json.loads((fold / "validation" / "summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["foreground_mean"]["Dice"] is None


def test_images_of_a_case_with_a_sentence_are_neither_mirrored_nor_turned(sentences):
    trainer = make_trainer(number=2)
    trainer.on_train_start()
    assert not any(trainer.may_turn(case) or trainer.may_stain(case) for case in trainer.training_cases)


def test_padding_is_never_valid(sentences):
    trainer = make_trainer(number=2)
    trainer.on_train_start()
    shapes = {case: (48, 40) if int(case[-3:]) % 2 == 0 else (40, 56) for case in trainer.training_cases}
    batch = next(trainer.dataloader_train)
    assert batch["data"].shape[2:] == (48, 56)
    for case, image, valid in zip(batch["keys"], batch["data"], batch["valid"], strict=True):
        assert valid.sum() == math.prod(shapes[case])
        assert (image[:, ~valid[0]] == 0).all() and (image[:, valid[0]] > 0).float().mean() > 0.99
    scored = next(trainer.dataloader_val)
    assert (scored["target"][~scored["valid"]] == -1).all()
    assert (scored["target"][scored["valid"]] == tiny.IGNORE).all()
