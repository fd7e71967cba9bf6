"""What a training from sentences refuses: one sentence that names file, case and remedy, never a cue's words."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from in_process import make_trainer, train
from tiny_encoder import make_encoder
from tiny_sentences import NAME, PRIVATE

TRAINER = {"number": 5, "trainer_name": "TIFCMambaTrainer"}


@pytest.fixture
def own(sentences, tmp_path, monkeypatch):
    """A copy of the planned data set that a test may change."""
    for name in ("raw", "preprocessed"):
        folder = tmp_path / name
        shutil.copytree(getattr(sentences, name) / NAME, folder / NAME)
        monkeypatch.setenv(f"nnUNet_{name}", str(folder))
    return tmp_path


def refused(action, *arguments, **named) -> str:
    with pytest.raises(SystemExit) as caught:
        action(*arguments, **named)
    message = str(caught.value)
    assert message.startswith("cuescan: error: ") and "\n" not in message
    assert not any(word in message for word in PRIVATE.split()[:2])
    return message


def change_cues(own, edit, encoding="utf-8"):
    for name in ("raw", "preprocessed"):
        path = own / name / NAME / "cues.json"
        content = json.loads(path.read_text())
        edit(content["cues"])
        path.write_text(json.dumps(content, ensure_ascii=False), encoding=encoding)


@pytest.mark.parametrize(("label", "case", "said"), [(0, "case_006", "present"), (1, "case_001", "absent")])
def test_a_label_that_contradicts_its_sentence(own, label, case, said):
    change_cues(own, lambda cues: cues[case].update(labels={"square": label}))
    message = refused(train, **TRAINER)
    assert (
        f"case '{case}': the label of class 'square' is {label} but the sentence says that it is {said}; correct one"
        in message
    )
    assert "cues.json" in message and not list((own / "results").rglob("plans.json"))


def test_a_label_that_agrees_with_its_sentence_or_adds_to_it(own):
    change_cues(own, lambda cues: cues["case_006"].update(labels={"square": 1, "stripe": None}))
    change_cues(own, lambda cues: cues["case_003"].update(labels={"stripe": 1}))
    trainer = make_trainer(**TRAINER)
    trainer.on_train_start()
    square, stripe = trainer.sentences.statements("case_003", (40, 56))
    assert square.present is None and stripe.present is True


def test_sentences_in_another_encoding(own):
    change_cues(own, lambda cues: cues["case_006"].update(text=f"{PRIVATE} Très petit."), "latin-1")
    path = own / "preprocessed" / NAME / "cues.json"
    byte = path.read_bytes().index("è".encode("latin-1"))
    assert f"{path}: byte {byte} is not valid UTF-8; save the file as UTF-8" in refused(make_trainer, **TRAINER)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("NETWORK_ARGUMENTS", '{"depth": 3}', "CUESCAN_NETWORK_ARGUMENTS names 'depth', which TIFCMamba does not take"),
        ("NETWORK_ARGUMENTS", '{"size": "XL"}', "size must be one of T, S, B, got 'XL'; correct CUESCAN_NETWORK"),
        ("LOSS_ARGUMENTS", '{"depth": 3}', "CUESCAN_LOSS_ARGUMENTS names 'depth', which TextSupervisionLoss does not"),
        ("LOSS_ARGUMENTS", '{"words": -1}', "CUESCAN_LOSS_ARGUMENTS does not fit: words must be at least 0, got -1"),
        ("LOSS_ARGUMENTS", '{"grounding_terms": {"depth": 3}}', "unexpected keyword argument 'depth'; correct it"),
        ("ENCODER", "/nowhere/clip", "/nowhere/clip: "),
        ("ENCODER", "ViT-B-32", "ViT-B-32: does not say which weights"),
    ],
)
def test_bad_options(sentences, monkeypatch, tmp_path, name, value, rule):
    monkeypatch.setenv(f"CUESCAN_{name}", value)
    assert rule in refused(train, **TRAINER)
    assert not list((tmp_path / "results").rglob("*.pth"))


def test_continuing_and_validating_with_another_encoder(sentences, monkeypatch, tmp_path):
    trainer = train(**TRAINER)
    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    other = make_encoder(tmp_path / "other_clip", seed=1)
    monkeypatch.setenv("CUESCAN_ENCODER", str(other))
    digest = trainer.text.encoder.digest[:12]
    expected = f"{other}: this encoder has sha256 "
    message = refused(lambda: make_trainer(continued=True, **TRAINER).run_training())
    assert expected in message and f"was trained with {digest}...; give that one with CUESCAN_ENCODER" in message
    assert expected in refused(lambda: make_trainer(continued=True, **TRAINER).perform_actual_validation())
    monkeypatch.delenv("CUESCAN_ENCODER")
    message = refused(lambda: make_trainer(continued=True, **TRAINER).run_training())
    assert "tiny_clip: neither a folder that is there nor an architecture" in message


def test_a_checkpoint_of_another_trainer(sentences, tmp_path):
    trainer = train(**TRAINER)
    path = f"{trainer.output_folder}/checkpoint_latest.pth"
    checkpoint = torch.load(path, weights_only=True)
    torch.save(checkpoint | {"trainer_name": "PathMambaTrainer"}, path)
    message = refused(make_trainer, continued=True, **TRAINER)
    assert "written by PathMambaTrainer, not by this TIFCMambaTrainer; use its trainer" in message


def test_the_command_ends_without_a_traceback(sentences):
    printed = sentences.run(
        *("nnUNetv2_train", "5", "2d", "0", "-tr", "TIFCMambaTrainer", "-device", "cpu"),
        ok=False,
        CUESCAN_ENCODER="/nowhere/clip",
    )
    assert "cuescan: error: /nowhere/clip: " in printed.splitlines()[-1]
    assert sentences.status == 1 and "Traceback" not in printed
