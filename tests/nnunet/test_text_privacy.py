"""Sentences stay in cues.json, and the encoder's weights stay out of the checkpoints."""

from __future__ import annotations

import json
import math
from pathlib import Path

from in_process import train
from tiny_sentences import NAME

from cuescan.training.checkpoint import load_checkpoint

WORDS = ("Wilhelmina", "Quastenflosser", "One dark square", "Poor light", "% of the image")


def files_below(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_sentences_and_the_encoder_stay_where_they_are(sentences, tmp_path, capfd, recwarn):
    trainer = train(number=5, trainer_name="TIFCMambaTrainer")
    trainer.perform_actual_validation()
    told = [*capfd.readouterr(), *(str(warning.message) for warning in recwarn)]
    assert not any(word in text for word in WORDS for text in told)
    assert any("case_006: the sentence has" in text for text in told)  # too long for the tiny encoder
    written = files_below(tmp_path / "results", sentences.preprocessed / NAME / "cuescan_encoders")
    names = {path.name for path in written}
    assert {"checkpoint_final.pth", "plans.json", "debug.json", "summary.json", "validation_prompts.json"} <= names
    for path in written:
        content = path.read_bytes()
        assert not any(word.encode() in content or word in str(path) for word in WORDS), path
    for cache in (sentences.preprocessed / NAME / "cuescan_encoders").rglob("*.npy"):
        assert b"square" not in cache.read_bytes() and len(cache.stem) == 64

    checkpoint = load_checkpoint(Path(trainer.output_folder) / "checkpoint_final.pth")
    weights = checkpoint["network_weights"]
    own = dict(trainer.bare_network.named_parameters()) | dict(trainer.bare_network.named_buffers())
    assert set(weights) <= set(own)  # nothing but the network itself
    encoder = trainer.text.encoder.state_dict()
    assert not any(value.shape == weight.shape for value in encoder.values() if value.ndim > 2
                   for weight in weights.values())  # fmt: skip
    moments = checkpoint["optimizer_state"]["state"].values()
    numbers = sum(value.numel() for value in weights.values())
    assert sum(moment["exp_avg"].numel() for moment in moments) <= numbers
    assert max(path.stat().st_size for path in files_below(tmp_path / "results")) < 4 * 3 * numbers + 500_000

    plan = json.loads((Path(trainer.output_folder_base) / "plans.json").read_text())["cuescan"]
    assert plan["encoder_sha256"] == trainer.text.encoder.digest

    prompts = json.loads((Path(trainer.output_folder) / "validation_prompts.json").read_text())
    assert prompts == {"case_000": "its own sentence", "case_005": "default prompts"}
    log = next(Path(trainer.output_folder).glob("training_log*.txt")).read_text()
    assert "1 of 2 cases prompted by their own sentence, the others by the default prompts" in log
    (row,) = [
        json.loads(line) for line in (Path(trainer.output_folder) / "progress_cues.jsonl").read_text().splitlines()
    ]
    assert 0 <= row["score"] <= 1 and row["statement"] is not None and math.isfinite(trainer.log["ema_fg_dice"][-1])
