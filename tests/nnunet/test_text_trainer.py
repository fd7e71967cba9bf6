"""TIFCMamba's training: what its weights depend on, and that every kind of batch has a finite loss."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import blosc2
import numpy as np
import pytest
import torch
from in_process import equal, last_weights, make_trainer, train
from tiny_sentences import NAME, SAYS_NOTHING
from torch.utils.data import default_collate

from cuescan.losses import TextSupervisionLoss
from cuescan.nnunet.images import WholeImages

TRAINER = {"number": 5, "trainer_name": "TIFCMambaTrainer"}
ABSENT = "case_001"
BOTH = "case_006"


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
    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    if not reference:
        reference.update(last_weights(train(**TRAINER)))
    return reference


def started(monkeypatch, **environment: str):
    """A trainer that is ready for its first step."""
    for key, value in environment.items():
        monkeypatch.setenv(f"CUESCAN_{key}", value)
    trainer = make_trainer(**TRAINER)
    trainer.on_train_start()
    trainer.set_deep_supervision_enabled(True)
    torch.manual_seed(0)
    return trainer


def batch_of(trainer, *cases: str) -> dict:
    source = trainer.dataset_class(trainer.preprocessed_dataset_folder)
    images = WholeImages(source, cases, trainer.configuration_manager.patch_size)
    return default_collate([images[0, 0, number] for number in range(len(cases))])


def test_equal_seeds_give_equal_weights_and_others_others(sentences, reference, monkeypatch):
    expected = two_epochs(reference, monkeypatch)
    assert equal(expected, last_weights(train(**TRAINER)))
    monkeypatch.setenv("CUESCAN_SEED", "1")
    assert not equal(expected, last_weights(train(**TRAINER)))


def test_masks_of_training_cases_change_nothing(sentences, reference, monkeypatch):
    expected = two_epochs(reference, monkeypatch)
    kept = {path: path.read_bytes() for path in (sentences.preprocessed / NAME / "nnUNetPlans_2d").glob("*_seg.b2nd")}
    generator = np.random.default_rng(0)
    try:
        for path in kept:
            mask = blosc2.open(str(path), mode="a")
            mask[:] = generator.integers(0, 3, mask.shape).astype(mask.dtype)
        assert len(kept) == 10 and equal(expected, last_weights(train(**TRAINER)))
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def test_worker_processes_change_nothing(sentences, reference, monkeypatch):
    expected = two_epochs(reference, monkeypatch)
    monkeypatch.setenv("CUESCAN_WORKERS", "2")
    method = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    try:
        assert equal(expected, last_weights(train(**TRAINER)))
    finally:
        multiprocessing.set_start_method(method, force=True)


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(sentences, reference, monkeypatch):
    expected = two_epochs(reference, monkeypatch)
    trainer = make_trainer(**TRAINER)
    start = trainer.on_train_epoch_start

    def interrupted():
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt
        start()

    trainer.on_train_epoch_start = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.run_training()
    assert equal(expected, last_weights(train(continued=True, **TRAINER)))


def test_a_training_item_has_no_mask(sentences, monkeypatch):
    trainer = started(monkeypatch)
    assert set(next(trainer.dataloader_train)) == {"data", "valid", "keys", "shape", "crop", "turn"}


@pytest.mark.parametrize(
    "cases",
    [(BOTH,), (ABSENT,), (SAYS_NOTHING,), ("case_007",), (ABSENT, "case_007"), (ABSENT, ABSENT), (BOTH, "case_002"),
     (SAYS_NOTHING, "case_007", BOTH, ABSENT)],
    ids=["one", "denied", "nothing", "no sentence", "all absent", "equal sentences", "two classes", "mixed"],
)  # fmt: skip
def test_every_batch_has_a_finite_loss_and_finite_gradients(sentences, monkeypatch, cases):
    trainer = started(monkeypatch)
    loss = trainer.batch_loss(batch_of(trainer, *cases))
    loss.backward()
    assert loss.isfinite() and loss > 0
    learns = {name: weight for name, weight in trainer.network.named_parameters() if weight.requires_grad}
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in learns.values())
    assert any(weight.grad.abs().sum() > 0 for weight in learns.values())


def test_every_class_is_asked_for_by_a_prompt_of_its_own(sentences, monkeypatch):
    trainer = started(monkeypatch)
    seen = {}

    def recorded(maps, prompts, images, valid, place, present, *rest):
        seen.update(maps=maps, prompts=prompts, present=present)
        return maps.logits.sum()

    trainer.loss.forward = recorded
    trainer.batch_loss(batch_of(trainer, ABSENT, BOTH, SAYS_NOTHING))
    assert seen["maps"].logits.shape[:2] == (3, 2) and seen["maps"].words.shape[:2] == (3, 2)
    names = trainer.bare_network.prompts
    assert not torch.allclose(names[0], names[1])
    assert torch.equal(seen["prompts"][0], names)  # that a class is denied is not told
    assert torch.equal(seen["prompts"][2], names)
    expected = torch.tensor([[0.0, 0.0], [1.0, 1.0], [torch.nan, torch.nan]])
    torch.testing.assert_close(seen["present"], expected, equal_nan=True)


def test_grounding_off_drops_its_loss_and_the_place(sentences, monkeypatch):
    trainer = started(monkeypatch, NETWORK_ARGUMENTS='{"grounding": false}')
    assert trainer.loss.weights["grounding"] == 0 and not trainer.bare_network.grounding
    batch = batch_of(trainer, BOTH)
    trainer.set_deep_supervision_enabled(False)
    place = torch.tensor([0.0, 0.0, 0.3, 0.3, 1.0, 0.05]).expand(1, 2, 4, 6)
    network = trainer.bare_network.eval()
    with torch.no_grad():
        assert torch.equal(network(batch["data"], None, place), network(batch["data"]))


def test_losses_are_switched_by_an_option(sentences, monkeypatch):
    asked = {"alignment": 0, "area": 0, "area_absent": 0, "smoothness": 0, "grounding_terms": {"share": 0}}
    trainer = started(monkeypatch, LOSS_ARGUMENTS=json.dumps(asked))
    named = []

    def terms(*arguments):
        found = TextSupervisionLoss.terms(trainer.loss, *arguments)
        named.extend(found)
        return found

    trainer.loss.terms = terms
    trainer.batch_loss(batch_of(trainer, BOTH)).backward()
    assert named == ["words", "knowledge", "grounding"]
    assert trainer.loss.grounding.weights["share"] == 0


def test_the_plans_tell_inference_all_it_needs(sentences, reference, monkeypatch):
    monkeypatch.setenv("CUESCAN_EPOCHS", "1")
    trainer = train(**TRAINER)
    plan = json.loads((Path(trainer.output_folder_base) / "plans.json").read_text())["cuescan"]
    assert plan["network"] == "TIFCMamba" and plan["classes"] == ["square", "stripe"]
    arguments = plan["network_arguments"]
    assert (arguments["size"], arguments["text_dim"], arguments["token_dim"]) == ("T", 16, 24)
    assert plan["encoder_sha256"] == trainer.text.encoder.digest
    assert plan["options"]["encoder"] == "tiny_clip"  # not its path
