"""Every configuration runs as a user types it, from the repository and elsewhere, and leaves those folders alone."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_bundles import BUNDLES, NAMES, ROOT, TRAIN, Bundle, command, contents, masks, segment

slow = pytest.mark.slow
PRIVATE = "Patient Wilhelmina Quastenflosser has one small polyp in the upper left."


@pytest.fixture
def own(bundle, tmp_path) -> Bundle:
    """A trained bundle that may be changed."""
    return bundle.copy(tmp_path)


@pytest.fixture(params=["elsewhere", pytest.param("repository", marks=slow)])
def desk(request, own):
    return own.desk if request.param == "elsewhere" else ROOT


def labels(bundle: Bundle) -> set[int]:
    return set(range(5)) if bundle.name == "pathmamba" else {0, 1}


def test_training_writes_weights_card_state_and_curves(bundle):
    names = {path.name for path in bundle.models.iterdir() if path.is_file()}
    assert names == {"model.pt", "model.json", "metadata.json", "checkpoint_epoch=1.pt"}
    assert list((bundle.root / "eval").glob("events.out.tfevents.*"))


@slow
def test_training_in_the_repository_writes_where_it_is_told(bundle, tmp_path):
    """As in the README: a path relative to the repository, and a folder of one's own."""
    before = contents(BUNDLES)
    config = f"monai_bundles/{bundle.name}/configs/train.json"
    words = ["--bundle_root", str(tmp_path / "own"), "--dataset_dir", str(bundle.data), *TRAIN]
    command("-m", "monai.bundle", "run", "--config_file", config, *words, desk=ROOT)
    assert (tmp_path / "own" / "models" / "model.pt").is_file()
    assert contents(BUNDLES) == before


@pytest.mark.parametrize("name", ["pathmamba", pytest.param("tifcmamba", marks=slow)])
def test_a_training_that_goes_on_ends_as_one_that_was_never_stopped(name, request, tmp_path):
    """Whatever the number of processes that load the images."""
    (tmp_path / "whole").mkdir()
    own, whole = (request.getfixturevalue(name).copy(folder) for folder in (tmp_path, tmp_path / "whole"))
    two = ("--epochs", 2, *TRAIN[2:])
    shutil.rmtree(own.models, ignore_errors=True)
    own.run("train", options=(*two, "--train#trainer#max_epochs", 1))
    said = own.run("train", "train_continue", options=(*two, "--num_workers", 2))
    assert "epoch 1 until 2 epochs" in said and "Epoch[2] Complete" in said
    whole.run("train", options=two)
    resumed, unbroken = (torch.load(side.models / "checkpoint_epoch=2.pt", weights_only=True) for side in (own, whole))
    assert resumed["model"].keys() == unbroken["model"].keys()
    assert all(torch.equal(value, unbroken["model"][key]) for key, value in resumed["model"].items())
    assert resumed["best"] == unbroken["best"]


def test_inference_and_evaluation(own, desk):
    """The second run does all that the first one does, and scores the masks."""
    said = own.run("inference", "evaluate", desk=desk)
    found = masks(own.root / "eval" / "predictions")
    assert len(found) == 3 and all(set(np.unique(mask)) <= labels(own) for mask in found.values())
    assert {mask.shape for mask in found.values()} == {(48, 64)}
    scores = json.loads((own.root / "eval" / "predictions" / "scores.json").read_text())
    assert "mIoU" in said and scores


@pytest.mark.parametrize("name", [pytest.param("pathmamba", marks=slow), "tifcmamba"])
def test_inference_of_a_plain_folder_from_the_repository(name, request, tmp_path):
    """Pictures alone, here with prompts in a file, of which nothing is told or kept."""
    own = request.getfixturevalue(name).copy(tmp_path)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, size in enumerate([(40, 64), (48, 36)]):
        pixels = np.random.default_rng(number).integers(1, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"p{number}.png")
    options = ["--dataset_dir", pictures, "--output_dir", tmp_path / "out"]
    if name == "tifcmamba":
        (tmp_path / "prompts.json").write_text(json.dumps({"p1": PRIVATE}))
        options += ["--prompts", tmp_path / "prompts.json"]
    said = own.run("inference", options=tuple(options), desk=ROOT)
    for folder in (tmp_path / "out", tmp_path / "out" / "overlays"):
        assert [np.asarray(Image.open(folder / f"p{n}.png")).shape[:2] for n in (0, 1)] == [(40, 64), (48, 36)]
    assert "Quastenflosser" not in said
    for file in own.root.rglob("*"):
        assert not file.is_file() or b"Quastenflosser" not in file.read_bytes(), file


def record(bundle: Bundle) -> None:
    """A further configuration by which each process notes its steps and weights."""
    noted = "{'steps': @train#trainer.state.iteration, 'weights': @network_def.state_dict()}"
    document = {
        "run": ["$@train#trainer.run()", f"$torch.save({noted}, @bundle_root + f'/process{{dist.get_rank()}}.pt')"]
    }
    (bundle.root / "configs" / "record.json").write_text(json.dumps(document))


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_train_one_network(name, request, tmp_path):
    """Over gloo: as many steps in both, equal weights in the end, and one file of them, without the wrapper."""
    own = request.getfixturevalue(name).copy(tmp_path)  # for its text encoder
    record(own)
    own.run("train", "multi_gpu_train", "record", options=TRAIN, processes=2)
    one, other = (torch.load(own.root / f"process{rank}.pt") for rank in (0, 1))
    assert one["steps"] == other["steps"] == 2
    assert one["weights"].keys() == other["weights"].keys()
    assert all(torch.equal(value, other["weights"][key]) for key, value in one["weights"].items())
    kept = torch.load(own.models / "model.pt", weights_only=True)
    assert kept.keys() == one["weights"].keys()
    assert all(torch.equal(value, kept[key]) for key, value in one["weights"].items())
    assert [path.name for path in sorted(own.models.glob("*.pt"))] == ["checkpoint_epoch=1.pt", "model.pt"]


@pytest.mark.parametrize("name", ["pathmamba", pytest.param("tifcmamba", marks=slow)])
def test_two_processes_evaluate_as_one_does(name, request, tmp_path):
    own = request.getfixturevalue(name).copy(tmp_path)
    said = own.run("inference", "evaluate", "multi_gpu_evaluate", processes=2)
    assert said.count("mIoU") == 1 and (own.root / "eval" / "predictions" / "scores.json").is_file()
    together = masks(own.root / "eval" / "predictions")
    alone = segment(own, own.data, tmp_path / "alone")
    assert len(alone) == 3 and together.keys() == alone.keys()
    assert all(np.array_equal(alone[case], together[case]) for case in alone)


@slow
def test_tracking_by_mlflow_stays_below_the_bundle(pathmamba, tmp_path):
    import mlflow

    own = Bundle("pathmamba", tmp_path, pathmamba.data)
    own.run("train", options=(*TRAIN, "--tracking", "mlflow"))
    mlflow.set_tracking_uri(f"sqlite:///{own.root / 'eval' / 'mlruns.db'}")
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert {"train_loss", "val_cue_score"} <= set(run.data.metrics)


@slow
def test_usual_overrides(pathmamba, tmp_path):
    own = Bundle("pathmamba", tmp_path, pathmamba.data)
    options = (*TRAIN, "--device", "cpu", "--amp", "False", "--fold", 1, "--seed", 3, "--lr", 1e-4, "--val_cases", 1)
    own.run("train", options=(*options, "--ckpt_dir", tmp_path / "elsewhere"))
    card = json.loads((tmp_path / "elsewhere" / "model.json").read_text())
    assert card["options"] | {"fold": 1, "seed": 3, "lr": 1e-4} == card["options"]
    assert not own.models.exists()
