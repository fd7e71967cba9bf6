"""What trainers of published methods keep between epochs survives ``--c``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from in_process import equal, last_weights, make_trainer, train, train_and_stop

from cuescan.nnunet.hist_seg_net_trainer import cyclical_factor
from cuescan.nnunet.sc_cam_trainer import clustering_epochs
from cuescan.rivals.wsss_tissue import attention_gamma

EXTRA_STATE = "_extra_state"


@pytest.fixture(autouse=True)
def short(active, monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("CUESCAN_ITERATIONS", "1")
    monkeypatch.setenv("CUESCAN_VALIDATION_CASES", "1")
    yield
    torch.set_num_threads(threads)


def check_continuation(monkeypatch, tmp_path: Path, name: str, epochs: int, stop: int) -> None:
    monkeypatch.setenv("CUESCAN_EPOCHS", str(epochs))
    expected = last_weights(train(trainer_name=name))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "again"))
    train_and_stop(name, stop)
    assert equal(expected, last_weights(train(continued=True, trainer_name=name)))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"trunk": {"stages": 3}}')


def test_sub_categories_survive_an_interruption(small, monkeypatch, tmp_path):
    """Clustered before epochs 1, 3 and 4: the third epoch learns what the checkpoint holds, the fourth begins there."""
    assert clustering_epochs(6) == {1, 3, 4}
    check_continuation(monkeypatch, tmp_path, "SCCAMTrainer", 6, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "epochs", "stop"), [("WSSSTissueTrainer", 6, 4), ("HistoSegNetTrainer", 3, 1)])
def test_a_continued_training_equals_an_uninterrupted_one(monkeypatch, tmp_path, name, epochs, stop):
    check_continuation(monkeypatch, tmp_path, name, epochs, stop)


def test_attention_follows_from_the_epoch_alone():
    trainer = make_trainer(trainer_name="WSSSTissueTrainer")
    trainer.on_train_start()
    for epoch in (2, 3, 10):
        trainer.current_epoch = epoch
        trainer.on_train_epoch_start()
        assert trainer.bare_network.gamma == attention_gamma(epoch)


def test_images_are_clustered_after_each_quarter(small, monkeypatch):
    assert [sorted(clustering_epochs(epochs)) for epochs in (1, 2, 5, 20)] == [[], [1], [1, 2, 3], [5, 10, 15]]
    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    trainer = train(trainer_name="SCCAMTrainer")
    assigned = last_weights(trainer)[EXTRA_STATE].numpy()
    labels = np.stack([trainer.cues.label_vector(case) for case in sorted(trainer.training_cases)])
    assert np.array_equal(assigned >= 0, labels == 1)
    for column in assigned.T:  # few images show a class: each is a cluster
        assert sorted(column[column >= 0]) == list(range((column >= 0).sum()))
    log = next(Path(trainer.output_folder).glob("training_log*.txt")).read_text()
    assert log.count("Sub-categories: square 4, stripe 3; 6 images have others than before.") == 1


def test_sub_categories_of_other_training_cases_are_refused(small, monkeypatch):
    monkeypatch.setenv("CUESCAN_EPOCHS", "3")
    train_and_stop("SCCAMTrainer", 2)
    trainer = make_trainer(continued=True, trainer_name="SCCAMTrainer")
    training, validation = trainer.do_split()
    trainer.do_split = lambda: (training[1:], validation)
    with pytest.raises(SystemExit) as caught:
        trainer.run_training()
    told = "splits_final.json: 7 training cases in fold 0, but 8 when this training began; restore it, or train anew"
    assert told in str(caught.value)


def test_the_learning_rate_of_hist_seg_net_goes_up_and_down_and_is_halved():
    factors = [cyclical_factor(epoch, 80) for epoch in range(80)]
    assert factors[0] == pytest.approx(0.05) and factors[5] == pytest.approx(1)
    assert [max(factors[start : start + 20]) for start in (0, 20, 40, 60)] == pytest.approx([1, 0.5, 0.25, 0.125])
    assert factors[:10] == pytest.approx(factors[10:20]) and factors[1:5] == pytest.approx(factors[9:5:-1])
