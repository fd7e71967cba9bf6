"""``cuescan convert``: a model of nnU-Net and the bundle that it becomes predict the same masks, both ways."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from in_process import equal, make_trainer
from monai.bundle import ConfigParser
from nnunet_models import PROMPTS, WORDS, contents, draw_images, masks_of, same
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.run.load_pretrained_weights import load_pretrained_weights

from cuescan.cli import main
from cuescan.monai import read_card
from cuescan.training.checkpoint import load_checkpoint
from cuescan.training.network_building import build_network

NETWORKS = ("PathMamba", "TIFCMamba")


@pytest.fixture(scope="module")
def converted(nnunet, tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    """By network the bundle of nnU-Net's model, and the model of nnU-Net that the bundle became."""
    found = {}
    for network, model in nnunet.models.items():
        bundle = tmp_path_factory.mktemp(network) / "bundle"
        back = nnunet.results / "Dataset042_Back" / f"{network}Trainer__nnUNetPlans__2d"
        with nnunet.entered():
            assert main(["convert", str(model), str(bundle)]) == 0
            assert main(["convert", str(bundle), str(back)]) == 0
        found[network] = bundle, back
    return found


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return draw_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def prompts(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("prompts") / "prompts.json"
    path.write_text(json.dumps(PROMPTS))
    return path


def test_the_command_says_what_to_do_next(nnunet, tmp_path):
    bundle, back = tmp_path / "bundle", tmp_path / "back"
    told = nnunet.run("cuescan", "convert", str(nnunet.models["TIFCMamba"]), str(bundle))
    assert f"--config_file {bundle / 'configs' / 'inference.json'}" in told and "not found" not in told
    told = nnunet.run("cuescan", "convert", str(bundle), str(back), nnUNet_preprocessed="")
    assert f"-m {back} -f 0" in told and "not found" not in told


def weights_of(model: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(model / "fold_0" / "checkpoint_final.pth")["network_weights"]


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_come_back_as_they_were(nnunet, converted, network):
    bundle, back = converted[network]
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert all(type(value) is torch.Tensor for value in weights.values())
    assert equal(weights, weights_of(nnunet.models[network])) and equal(weights, weights_of(back))


@pytest.mark.parametrize("network", NETWORKS)
def test_what_nnunet_knows_of_the_model_comes_back(nnunet, converted, network):
    bundle, back = converted[network]
    before, after = (json.loads((model / "plans.json").read_text()) for model in (nnunet.models[network], back))
    options = before["cuescan"]["options"]
    assert after["cuescan"] == before["cuescan"] | {"cues_sha256": None}
    assert after["configurations"]["2d"]["patch_size"] == before["configurations"]["2d"]["patch_size"] == [48, 56]
    assert after["dataset_name"] == "Dataset042_Back"
    card = read_card(bundle / "models" / "model.json")
    assert card.options == options | {"fold": 0} and card.channel_names == ["rgb_to_0_1"] * 3
    labels = json.loads((back / "dataset.json").read_text())["labels"]
    assert labels == json.loads((nnunet.models[network] / "dataset.json").read_text())["labels"]


@pytest.fixture(scope="module")
def stock(nnunet, images, tmp_path_factory) -> dict[str, Path]:
    """By network what nnU-Net's own predictor gives for its model, with probabilities."""
    found = {network: tmp_path_factory.mktemp(f"stock_{network}") for network in NETWORKS}
    with nnunet.entered():
        for network, folder in found.items():
            predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
            predictor.initialize_from_trained_model_folder(str(nnunet.models[network]), (0,))
            predictor.predict_from_files_sequential(str(images), str(folder), save_probabilities=True)
    return found


@pytest.fixture(scope="module")
def asked(nnunet, images, prompts, tmp_path_factory) -> Path:
    """What ``cuescan predict`` gives for the prompts, with probabilities."""
    folder = tmp_path_factory.mktemp("asked")
    nnunet.run(
        *("cuescan", "predict", "-i", str(images), "-o", str(folder), "-d", "5", "-f", "0", "-device", "cpu"),
        *("--prompts", str(prompts), "--save_probabilities"),
    )
    return folder


def test_path_mamba_gives_the_masks_of_nnunet(nnunet, converted, images, stock, tmp_path):
    bundle, back = converted["PathMamba"]
    expected = masks_of(stock["PathMamba"])
    shown = [len(np.unique(mask)) for mask in expected.values()]
    assert len(shown) == 8 and min(shown) > 1 and shown.count(3) > 4
    nnunet.monai(bundle, images, tmp_path / "bundle", "--device", "cpu")
    assert same(masks_of(tmp_path / "bundle"), expected)
    assert back.is_dir()
    nnunet.run(
        *("nnUNetv2_predict", "-i", str(images), "-o", str(tmp_path / "back"), "-d", "42", "-c", "2d", "-f", "0"),
        *("-tr", "PathMambaTrainer", "-device", "cpu", "-npp", "0", "-nps", "0"),
    )
    assert same(masks_of(tmp_path / "back"), expected)


def test_tifc_mamba_gives_the_masks_of_the_prompts(nnunet, converted, images, prompts, asked, tmp_path):
    bundle, back = converted["TIFCMamba"]
    expected = masks_of(asked)
    assert len(expected) == 8 and not expected.pop("small").any()
    assert sum(len(np.unique(mask)) > 1 for mask in expected.values()) > 3
    assert {label for mask in expected.values() for label in np.unique(mask)} == {0, 1, 2}
    told = nnunet.monai(bundle, images, tmp_path / "bundle", "--device", "cpu", "--prompts", str(prompts))
    assert same(masks_of(tmp_path / "bundle"), masks_of(asked))
    told += nnunet.run(
        *("cuescan", "predict", "-i", str(images), "-o", str(tmp_path / "back"), "-m", str(back), "-device", "cpu"),
        *("--prompts", str(prompts)),
        nnUNet_preprocessed="",
    )
    assert same(masks_of(tmp_path / "back"), masks_of(asked))
    written = contents(tmp_path)
    assert len(written) > 16 and not any(word in told for word in WORDS)
    assert not any(word.encode() in content for word in WORDS for content in written.values())


def probabilities(bundle: Path, images: Path, **overrides) -> dict[str, np.ndarray]:
    """By case what a bundle's parts give before the mask is made, (1 + K, h, w) of the image without its borders."""
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "inference.json")
    parser.config.update(
        {"bundle_root": str(bundle), "dataset_dir": str(images), "device": "$torch.device('cpu')", **overrides}
    )
    get = parser.get_parsed_content
    network, inferer = get("network_def").eval(), get("inferer")
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    found = {}
    for item in get("dataset"):
        image, size = item["image"][None], item["shape"][None]
        further = [[item["text"]], size, item["crop"][None]] if "prompts" in parser.config else []
        with torch.inference_mode():
            found[item["case"]] = inferer(image, network, *further)[0].softmax(0).numpy()
    return found


def probabilities_of(folder: Path) -> dict[str, np.ndarray]:
    """By case what nnU-Net wrote, (1 + K, H, W)."""
    return {path.stem: np.load(path)["probabilities"][:, 0] for path in folder.glob("*.npz")}


def farthest(one: np.ndarray, whole: np.ndarray, case: str) -> float:
    """The largest difference, where the image has content."""
    top, left = {"border": (5, 2), "gaps": (4, 0)}.get(case, (0, 0))
    return float(np.abs(one - whole[:, top : top + one.shape[1], left : left + one.shape[2]]).max())


def test_probabilities_agree_before_masks_are_made(converted, images, prompts, stock, asked):
    found = probabilities(converted["PathMamba"][0], images)
    expected = probabilities_of(stock["PathMamba"])
    assert max(farthest(found[case], expected[case], case) for case in expected) < 1e-5
    found = probabilities(converted["TIFCMamba"][0], images, prompts=str(prompts))
    expected = probabilities_of(asked)
    assert max(farthest(found[case], expected[case], case) for case in expected) < 1e-5


def test_without_prompts_tifc_mamba_agrees_with_nnunet_to_half_precision(converted, images, stock):
    """nnU-Net keeps logits in half precision, and shows images that the patch does not cover in windows."""
    found = probabilities(converted["TIFCMamba"][0], images)
    expected = {case: value for case, value in probabilities_of(stock["TIFCMamba"]).items() if case in found}
    for case in set(expected) - {"long", "wide"}:
        assert farthest(found[case], expected[case], case) < 1e-2
        mask = found[case].argmax(0)
        ranked = np.sort(found[case], axis=0)
        certain = ranked[-1] - ranked[-2] > 1e-2
        top, left = {"border": (5, 2), "gaps": (4, 0)}.get(case, (0, 0))
        other = masks_of(stock["TIFCMamba"])[case][top : top + mask.shape[0], left : left + mask.shape[1]]
        assert np.array_equal(mask[certain], other[certain]) and certain.mean() > 0.9


@pytest.mark.parametrize(("network", "number"), [("PathMamba", 1), ("TIFCMamba", 5)])
def test_trainers_load_a_converted_model_but_cannot_go_on_with_it(active, converted, monkeypatch, network, number):
    bundle, back = converted[network]
    monkeypatch.setenv("CUESCAN_ENCODER", str(next(iter((bundle / "models").glob("encoders/encoder_*")), "")))
    trainer = make_trainer(number=number, trainer_name=f"{network}Trainer")
    trainer.load_checkpoint(str(back / "fold_0" / "checkpoint_final.pth"))
    assert equal(trainer.bare_network.state_dict(), weights_of(back)) and trainer.options.epochs == 1
    another = build_network(type(trainer.bare_network), trainer.plans_manager.plans["cuescan"], 3, 3)
    load_pretrained_weights(another, str(back / "fold_0" / "checkpoint_final.pth"))
    assert equal(another.state_dict(), weights_of(back))
    trainer.continues = True
    with pytest.raises(SystemExit, match="trained with other cues .*train anew without --c"):
        trainer.load_checkpoint(str(back / "fold_0" / "checkpoint_final.pth"))


def test_no_sentence_and_nothing_but_weights_of_the_encoder_is_carried_over(nnunet, converted, tmp_path):
    encoder = next((nnunet.preprocessed / "Dataset005_Tiny" / "cuescan_encoders").glob("small_*"))
    noted = tmp_path / "noted"
    noted.mkdir()
    for path in encoder.iterdir():
        (noted / path.name).write_bytes(path.read_bytes())
    (noted / "notes.txt").write_text(PROMPTS["fits"])
    model = str(nnunet.models["TIFCMamba"])
    assert main(["convert", model, str(tmp_path / "bundle"), "--encoder", str(noted)]) == 0
    written = contents(tmp_path / "bundle") | {
        f"{name}/{path}": content
        for name, folders in converted.items()
        for folder in folders
        for path, content in contents(folder).items()
    }
    assert {Path(path).name for path in written if "encoder_" in path} == {path.name for path in encoder.iterdir()}
    assert len(written) > 30
    assert not any(word.encode() in content for word in WORDS for content in written.values())


def test_the_state_of_a_training_serves_as_weights(converted, tmp_path):
    bundle, back = converted["PathMamba"]
    copy = tmp_path / "bundle"
    for path, content in contents(bundle).items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(content)
    weights = torch.load(copy / "models" / "model.pt", weights_only=True)
    (copy / "models" / "model.pt").unlink()
    state = {"model": weights, "optimizer": {"state": {}}, "trainer": {"epoch": 1}}
    torch.save(state, copy / "models" / "checkpoint_epoch=1.pt")
    assert main(["convert", str(copy), str(tmp_path / "model"), "-chk", "checkpoint_epoch=1.pt", "-f", "3"]) == 0
    content = load_checkpoint(tmp_path / "model" / "fold_3" / "checkpoint_final.pth")
    assert equal(content["network_weights"], weights_of(back)) and content["init_args"]["fold"] == 3
