"""What ``cuescan predict`` refuses: in one sentence, with status 2, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_dataset as tiny
import torch
from in_process import train
from tiny_encoder import make_encoder
from tiny_sentences import NAME

from cuescan.cli import main

SECRET = "Mrs Quastenflosser: one square, upper left."


class Code:
    """What a checkpoint may carry: a call that leaves a trace."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the first test that needs a model leaves it for the others."""
    return tmp_path_factory.mktemp("models") / "model"


@pytest.fixture
def model(sentences, kept, tmp_path) -> Path:
    """A trained model, a copy that a test may change; the encoder has to be named."""
    if not kept.exists():
        trained = Path(train(number=5, trainer_name="TIFCMambaTrainer").output_folder_base)
        shutil.copytree(trained, kept)
        shutil.rmtree(trained)
    return shutil.copytree(kept, tmp_path / "model")


@pytest.fixture
def ask(sentences, tmp_path, capsys):
    """Call the command with these options; return the sentence that it ends with."""

    def ask(*options, prompts=None, images: Path | None = None) -> str:
        images = sentences.raw / NAME / "imagesTr" if images is None else images
        before = set(tmp_path.rglob("*"))
        if prompts is not None:
            path = tmp_path / "prompts.json"
            path.write_bytes(prompts if isinstance(prompts, bytes) else json.dumps(prompts).encode())
            before.add(path)
            options = (*options, "--prompts", str(path))
        status = main(
            ["predict", "-i", str(images), "-o", str(tmp_path / "masks"), "-device", "cpu", *map(str, options)]
        )
        told = capsys.readouterr()
        assert status == 2 and told.err.startswith("cuescan: error: ") and told.err.count("\n") == 1
        assert "Quastenflosser" not in told.err + told.out and "Traceback" not in told.err
        assert set(tmp_path.rglob("*")) == before
        return told.err

    return ask


def test_images_that_are_not_there(ask, model, tmp_path):
    message = ask("-m", model, images=tmp_path / "nowhere")
    assert f"{tmp_path / 'nowhere'}: there is no such folder; give the folder of the images with -i" in message
    (tmp_path / "empty").mkdir()
    message = ask("-m", model, images=tmp_path / "empty")
    assert f"{tmp_path / 'empty'}: no images named CASE_0000.png; rename them as nnU-Net expects" in message


def test_prompts_that_do_not_fit(ask, model):
    message = ask("-m", model, prompts={"case_000": SECRET, "case_999": SECRET})
    assert "prompts.json: there is no image for the prompt of case 'case_999'" in message
    message = ask("-m", model, prompts={"case_000": ""})
    assert "prompts.json: case 'case_000': the prompt must be a sentence" in message
    message = ask("-m", model, prompts='{"case_000": "Mrs Quastenflosser: très"}'.encode("latin-1"))
    assert "prompts.json: byte " in message and "is not valid UTF-8; save the file as UTF-8" in message


def test_models_that_are_not_there(ask, sentences, monkeypatch, tmp_path):
    message = ask("-m", tmp_path)
    assert f"{tmp_path}: there is no trained model; train one first, or correct -d, -tr, -c and -p" in message
    assert "there is no trained model" in ask("-d", "5")
    assert "there is no data set 77; correct -d, or give the model with -m" in ask("-d", "77")
    monkeypatch.delenv("nnUNet_results")
    assert "nnUNet_results is not set; set it, or give the model's folder with -m" in ask("-d", "5")


def test_models_that_are_not_finished(ask, model):
    (model / "fold_0" / "checkpoint_final.pth").unlink()
    assert f"{model}: no fold has a checkpoint_final.pth; finish a training, or correct -chk" in ask("-m", model)
    assert "checkpoint_final.pth: no such checkpoint" in ask("-m", model, "-f", "3")


def test_models_of_image_level_labels_take_no_prompts(ask, model):
    (model / "plans.json").write_text('{"cuescan": {"network": "PathMamba"}}')
    told = f"{model}: this model takes no prompts; leave --prompts and --encoder out, or give one that TIFCMambaTrainer"
    assert told in ask("-m", model, prompts={"case_000": SECRET})
    assert told in ask("-m", model, "--encoder", "small")


@pytest.mark.parametrize("plans", ["{}", '{"cuescan": {}}'])
def test_models_that_did_not_learn_from_cues(ask, model, plans):
    (model / "plans.json").write_text(plans)
    assert f"{model}: this model did not learn from cues; give one that a cuescan trainer trained" in ask("-m", model)


def test_models_of_sentences_see_one_size(ask, model):
    message = ask("-m", model, "--scales", "1", "1.5")
    assert f"{model}: this model takes prompts and sees an image at one size; leave --scales out" in message


def test_plans_that_cannot_be_read(ask, model):
    (model / "plans.json").write_text("{")
    assert f"{model / 'plans.json'}: not valid JSON at line 1" in ask("-m", model)


def test_a_checkpoint_that_carries_code(ask, model, tmp_path):
    path = model / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    torch.save(content | {"extra": Code(tmp_path / "trace")}, path)
    message = ask("-m", model)
    assert str(path) in message and "could run code; use one that a cuescan trainer wrote" in message
    assert not (tmp_path / "trace").exists()
    path.write_bytes(path.read_bytes()[:1000])
    assert "checkpoint_final.pth: the checkpoint cannot be read" in ask("-m", model)


def test_another_encoder_or_none(ask, model, sentences, monkeypatch, tmp_path):
    prompts = {"case_000": SECRET}
    other = make_encoder(tmp_path / "other_clip", seed=1)
    message = ask("-m", model, "--encoder", other, prompts=prompts)
    assert f"{other}: this encoder has sha256 " in message and "give that one with" in message
    monkeypatch.delenv("CUESCAN_ENCODER")
    message = ask("-m", model, prompts=prompts)
    assert "tiny_clip: neither a folder that is there nor an architecture of open_clip" in message
    message = ask("-m", model, "--encoder", "small", prompts=prompts)
    assert (
        "cuescan_encoders: the encoder that this model was trained with (sha256 " in message and "--encoder" in message
    )


def test_images_that_cannot_be_predicted(ask, model, sentences, tmp_path):
    images = shutil.copytree(sentences.raw / NAME / "imagesTr", tmp_path / "images")
    path = images / "case_001_0000.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert f"{path}: the image is truncated or damaged" in ask("-m", model, images=images)
    path.write_bytes(b"")
    assert f"{path}: the file has size zero" in ask("-m", model, images=images)
    tiny.save(path, np.zeros((48, 48), np.uint8))
    assert f"{path}: case 'case_001' has 1 channel but the model takes 3; convert the image" in ask(
        "-m", model, images=images
    )


@pytest.mark.parametrize("option", ["-npp", "-nps"])
def test_processes_that_are_none(capsys, option):
    with pytest.raises(SystemExit) as exited:
        main(["predict", "-i", "images", "-o", "masks", "-d", "5", option, "0"])
    assert exited.value.code == 2
    assert f"argument {option}: '0' is no number of processes; give 1 or more" in capsys.readouterr().err
