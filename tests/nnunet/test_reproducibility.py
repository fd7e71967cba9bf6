"""Weights depend on images, cues, options and seed, and on nothing else."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import blosc2
import numpy as np
import pytest
import torch
from in_process import equal, last_weights, make_trainer, train


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def reference():
    """Weights after two uninterrupted epochs, filled by the first test that needs them."""
    return {}


def two_epochs(reference, monkeypatch) -> dict[str, torch.Tensor]:
    if not reference:
        monkeypatch.setenv("CUESCAN_EPOCHS", "2")
        reference.update(last_weights(train()))
    return reference


def test_masks_of_training_cases_change_nothing(active, reference, monkeypatch):
    expected = two_epochs(reference, monkeypatch)
    folder = active.preprocessed / "Dataset001_Tiny" / "nnUNetPlans_2d"
    kept = {path: path.read_bytes() for path in folder.glob("*_seg.b2nd")}
    generator = np.random.default_rng(0)
    try:
        for path in kept:
            mask = blosc2.open(str(path), mode="a")
            mask[:] = generator.integers(0, 4, mask.shape).astype(mask.dtype)
            assert len(np.unique(blosc2.open(str(path))[:])) == 4
        monkeypatch.setenv("CUESCAN_EPOCHS", "2")
        assert equal(expected, last_weights(train()))
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def test_a_training_item_has_no_mask(active):
    trainer = make_trainer()
    trainer.on_train_start()
    assert set(next(trainer.dataloader_train)) == {"data", "valid", "keys", "shape", "crop", "turn"}


def test_weights_do_not_depend_on_worker_processes_nor_on_how_they_start(active, reference, monkeypatch):
    expected = two_epochs(reference, monkeypatch)
    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    monkeypatch.setenv("CUESCAN_WORKERS", "2")
    method = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("spawn", force=True)
    try:
        assert equal(expected, last_weights(train()))
    finally:
        multiprocessing.set_start_method(method, force=True)


def test_a_continued_training_equals_an_uninterrupted_one(active, reference, monkeypatch):
    expected = two_epochs(reference, monkeypatch)
    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    trainer = make_trainer()
    assert trainer.options.average > 0 and trainer.options.schedule == "cosine"
    end = trainer.on_epoch_end

    def interrupted():
        end()
        raise KeyboardInterrupt

    trainer.on_epoch_end = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.run_training()
    continued = train(continued=True)
    assert equal(expected, last_weights(continued))
    assert len((Path(continued.output_folder) / "progress_cues.jsonl").read_text().splitlines()) == 2


def test_another_seed_gives_other_weights(active, reference, monkeypatch):
    expected = two_epochs(reference, monkeypatch)
    monkeypatch.setenv("CUESCAN_SEED", "1")
    assert not equal(expected, last_weights(train()))


def test_the_final_weights_are_those_of_the_best_epoch(active, monkeypatch):
    from cuescan.training.checkpoint import load_checkpoint

    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    trainer = make_trainer()
    scores = iter([0.7, 0.3])

    def scored(outputs):
        score = next(scores)
        trainer.logger.log("mean_fg_dice", score, trainer.current_epoch)
        for key in [key for key in trainer.log if key.startswith("cue_")]:
            trainer.logger.log(key, score, trainer.current_epoch)

    trainer.on_validation_epoch_end = scored
    trainer.run_training()
    best, latest, final = (
        load_checkpoint(Path(trainer.output_folder) / f"checkpoint_{name}.pth") for name in ("best", "latest", "final")
    )
    assert best["current_epoch"] == 1 and latest["current_epoch"] == 2
    assert equal(final["network_weights"], best["network_weights"])
    assert not equal(latest["network_weights"], best["network_weights"])
    assert equal(trainer.bare_network.state_dict(), best["network_weights"])
