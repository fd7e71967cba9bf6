"""What ``cuescan convert`` refuses: in one sentence, with status 2, and nothing is written or lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from nnunet_models import contents
from tiny_encoder import make_encoder

from cuescan.cli import main

PLANS, CHECKPOINT, CARD, WEIGHTS = "plans.json", "fold_0/checkpoint_final.pth", "models/model.json", "models/model.pt"


class Code:
    """What a file may carry: a call that leaves a trace."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.fixture
def model(active, tmp_path) -> Path:
    """PathMamba's model of nnU-Net, a copy that a test may change."""
    return shutil.copytree(active.models["PathMamba"], tmp_path / "model")


@pytest.fixture(scope="module")
def made(nnunet, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "bundle"
    with nnunet.entered():
        assert main(["convert", str(nnunet.models["PathMamba"]), str(folder)]) == 0
    return folder


@pytest.fixture
def bundle(active, made, tmp_path) -> Path:
    """The same as a bundle, a copy that a test may change."""
    return shutil.copytree(made, tmp_path / "bundle")


@pytest.fixture
def ask(tmp_path, capsys):
    """Convert; return the sentence that the command ends with."""

    def ask(source: Path, *options: object, output: Path | None = None) -> str:
        before = contents(tmp_path)
        status = main(["convert", str(source), str(output or tmp_path / "out"), *map(str, options)])
        told = capsys.readouterr()
        assert status == 2 and told.err.startswith("cuescan: error: ") and told.err.count("\n") == 1
        assert not told.out and contents(tmp_path) == before and not (tmp_path / "out").exists()
        return told.err

    return ask


def change(path: Path, **entries: object) -> None:
    """Replace entries of a JSON object, or of the 2d configuration where there is one of that name."""
    content = json.loads(path.read_text())
    for key, value in entries.items():
        place = content.get("configurations", {}).get("2d", {})
        (place if key in place else content)[key] = value
    path.write_text(json.dumps(content))


def change_tensors(path: Path, edit) -> None:
    content = torch.load(path, weights_only=True)
    edit(content)
    torch.save(content, path)


def test_what_is_neither_a_model_nor_a_bundle(ask, model, bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "nowhere", tmp_path / "empty", model / "fold_0", bundle / "models"):
        message = ask(source)
        assert f"{source}: neither a trained model of nnU-Net (a folder with plans.json and fold_0) nor" in message
    (bundle / CARD).unlink()
    assert "nor a bundle with a trained model (models/model.json); correct the path" in ask(bundle)


def test_outputs_that_would_lose_something(ask, model, bundle, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    assert "mine: this is there already; give --overwrite to replace it" in ask(model, output=tmp_path / "mine")
    message = ask(model, "--overwrite", output=tmp_path / "mine")
    assert "mine: not replaced, since it is neither a model of nnU-Net nor a bundle; remove it" in message
    for output in (model, tmp_path, model / "fold_0" / "bundle"):
        assert f"{output}: this is, holds or lies in the folder that is converted" in ask(
            model, "--overwrite", output=output
        )


def test_overwriting_replaces_the_whole_folder_but_only_when_the_new_one_is_complete(ask, model, bundle, capsys):
    (bundle / "extra.txt").touch()
    assert main(["convert", str(model), str(bundle), "--overwrite"]) == 0
    assert not (bundle / "extra.txt").exists() and (bundle / WEIGHTS).is_file()
    capsys.readouterr()
    (bundle / "extra.txt").touch()
    (model / CHECKPOINT).write_bytes(b"")
    assert "checkpoint_final.pth: the checkpoint cannot be read (it is empty)" in ask(
        model, "--overwrite", output=bundle
    )
    assert (bundle / "extra.txt").exists()


def test_folds_that_are_not_there_or_not_named(ask, model):
    assert "fold_3/checkpoint_final.pth: no such checkpoint" in ask(model, "-f", 3)
    assert "-f is '../x' but a fold is a number or 'all'" in ask(model, "-f", "../x")
    assert f"{model}: no fold has a best.pth; finish a training, or correct -chk" in ask(model, "-chk", "best.pth")
    shutil.copytree(model / "fold_0", model / "fold_1")
    assert f"{model}: a bundle holds one fold but there are 0, 1; say which with -f" in ask(model)


def test_checkpoints_of_others(ask, model):
    change_tensors(model / CHECKPOINT, lambda content: content.update(trainer_name="nnUNetTrainer"))
    message = ask(model)
    assert "checkpoint_final.pth: written by nnUNetTrainer, but bundles hold models of PathMambaTrainer and" in message
    change_tensors(model / CHECKPOINT, lambda content: content.update(trainer_name="TIFCMambaTrainer"))
    assert "written by TIFCMambaTrainer, but" in ask(model)
    change_tensors(model / CHECKPOINT, lambda content: content.pop("init_args"))
    assert "not a checkpoint of a cuescan trainer with its plans ('init_args')" in ask(model)


def test_files_that_carry_code(ask, model, bundle, tmp_path):
    path = model / CHECKPOINT
    torch.save(torch.load(path, weights_only=True) | {"extra": Code(tmp_path / "trace")}, path)
    assert f"{path}: not a checkpoint of tensors and plain values only, so loading it could run code" in ask(model)
    path = bundle / WEIGHTS
    torch.save(torch.load(path, weights_only=True) | {"extra": Code(tmp_path / "trace")}, path)
    assert f"{path}: not a checkpoint of tensors and plain values only, so loading it could run code" in ask(bundle)
    torch.save({"weights": "none"}, path)
    assert f"{path}: does not hold weights alone" in ask(bundle)
    assert not (tmp_path / "trace").exists()


def test_classes_and_channels_that_do_not_fit(ask, model):
    content = json.loads((model / "dataset.json").read_text())
    labels = {name: value for name, value in content["labels"].items() if name != "stripe"}
    change(model / "dataset.json", labels=labels)
    message = ask(model)
    assert "the model's classes {'square': 1, 'stripe': 2} are not the labels {'square': 1} of dataset.json" in message
    change(model / "dataset.json", labels=content["labels"], channel_names={"0": "rgb_to_0_1"})
    assert "dataset.json names 1 channels but the plans normalise 3" in ask(model)
    change(model / PLANS, normalization_schemes=["RGBTo01Normalization"], use_mask_for_norm=[False])
    assert "a PathMamba with 1 channels and 2 classes cannot be built (input_mean must have 1 values" in ask(model)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"normalization_schemes": ["CTNormalization"] * 3}, "channels normalised by CTNormalization are not for"),
        (
            {"normalization_schemes": ["ZScoreNormalization"] * 3, "use_mask_for_norm": [True] * 3},
            "channels normalised by ZScoreNormalization within the image's content are not for bundles",
        ),
        ({"image_reader_writer": "SimpleITKIO"}, "image_reader_writer is SimpleITKIO but bundles take Natural"),
        ({"spacing": [0.5, 0.5]}, "spacing is [0.5, 0.5] but bundles take [1, 1] only"),
        ({"patch_size": [8, 48, 48]}, "configuration '2d' of nnUNetPlans is three-dimensional"),
    ],
)
def test_images_that_bundles_would_prepare_otherwise(ask, model, entries, words):
    change(model / PLANS, **entries)
    assert words in ask(model)


def test_images_that_are_not_png(ask, model):
    change(model / "dataset.json", file_ending=".nii.gz")
    assert "the model reads .nii.gz images but bundles read .png; predict with nnU-Net" in ask(model)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda weights: weights.pop("class_head.bias"), "('class_head.bias' is missing)"),
        (lambda weights: weights.update(more=torch.ones(2)), "('more' is not one of its weights)"),
        (
            lambda weights: weights.update({"class_head.bias": torch.ones(5)}),
            "('class_head.bias' is 5 but has to be 2)",
        ),
    ],
)
def test_weights_that_are_not_those_of_the_card(ask, bundle, edit, words):
    change_tensors(bundle / WEIGHTS, edit)
    message = ask(bundle)
    assert f"{bundle / WEIGHTS}: not the weights of a PathMamba with 3 channels and 2 classes {words}" in message


def test_cards_that_do_not_fit(ask, bundle):
    change(bundle / CARD, classes=["one", "two", "three"])
    assert "with 3 channels and 3 classes ('class_head.weight' is 2x256x1x1 but has to be 3x256x1x1)" in ask(bundle)
    change(bundle / CARD, classes=["one", "two"], channel_names=["CT"] * 3)
    assert "the model's card calls a channel 'CT' but bundles know rgb_to_0_1, rescale_to_0_1, zscore" in ask(bundle)
    change(bundle / CARD, network="nnU-Net")
    assert f"{bundle / CARD}: not the card of a model" in ask(bundle)


def test_an_encoder_that_is_not_there_is_told_and_another_is_refused(active, ask, monkeypatch, tmp_path, capsys):
    model = active.models["TIFCMamba"]
    other = make_encoder(tmp_path / "other", seed=1)
    assert f"{other}: not the folder of the encoder that the model was trained with (sha256 " in ask(
        model, "--encoder", other
    )
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "away"))
    assert main(["convert", str(model), str(tmp_path / "bundle")]) == 0
    assert "the text encoder was not found, so prompts will need it with --encoder\n" in capsys.readouterr().out
    assert not (tmp_path / "bundle" / "models" / "encoders").exists()
