"""The U-Net on a pretrained trunk, from masks and from labels of parts, by nnU-Net's commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny_dataset as tiny
import torch
from in_process import equal, last_weights, make_trainer, train
from PIL import Image

FOLD = "Dataset001_Tiny/PretrainedTrainer__nnUNetPlans__2d/fold_0"


@pytest.fixture
def short(active, monkeypatch):
    for name, value in {"EPOCHS": "1", "ITERATIONS": "2", "WORKERS": "0"}.items():
        monkeypatch.setenv(f"CUESCAN_{name}", value)
    return active


def test_it_trains_predicts_and_continues_by_the_stock_commands(workplace, tmp_path):
    options = {"CUESCAN_EPOCHS": "1", "CUESCAN_ITERATIONS": "1", "CUESCAN_WORKERS": "0", "CUESCAN_KEEP": "last"}
    training = ("nnUNetv2_train", "1", "2d", "0", "-tr", "PretrainedTrainer", "-device", "cpu")
    workplace.run(*training, **options)
    fold = workplace.results / FOLD
    assert (fold / "checkpoint_final.pth").is_file() and (fold / "validation" / "summary.json").is_file()
    workplace.run(*training, "--c", **options | {"CUESCAN_EPOCHS": "2"})
    rows = [json.loads(line) for line in (fold / "progress_cues.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1]
    assert [row["kept"] for row in rows] == [False, True]
    final, latest = (
        torch.load(fold / f"checkpoint_{name}.pth", weights_only=False)["network_weights"]
        for name in ("final", "latest")
    )
    assert all(torch.equal(final[key], latest[key]) for key in latest)
    images = workplace.raw / "Dataset001_Tiny" / "imagesTr"
    workplace.run(
        *("nnUNetv2_predict", "-i", str(images), "-o", str(tmp_path / "out"), "-d", "1", "-c", "2d", "-f", "0"),
        *("-tr", "PretrainedTrainer", "-device", "cpu", "-npp", "0", "-nps", "0", "--disable_tta"),
    )
    assert len(list((tmp_path / "out").glob("*.png"))) == len(list(images.glob("*.png")))


def test_equal_seeds_give_equal_weights_and_masks_are_learned_from(short):
    first, second = (last_weights(train(trainer_name="PretrainedTrainer")) for _ in range(2))
    assert equal(first, second)
    trainer = make_trainer(trainer_name="PretrainedTrainer")
    trainer.on_train_start()
    batch = next(trainer.dataloader_train)
    loss = trainer.batch_loss(batch)
    trainer.network.train()
    torch.manual_seed(0)
    one = trainer.batch_loss(batch)
    batch["target"] = torch.full_like(batch["target"], tiny.IGNORE)
    torch.manual_seed(0)
    assert loss > 0 and one > 0 and trainer.batch_loss(batch) == 0


def test_it_may_start_from_the_trunk_of_the_weak_model(short, monkeypatch):
    monkeypatch.setenv("CUESCAN_NETWORK_ARGUMENTS", '{"trunk": {"stages": 4}}')
    weak = train()
    monkeypatch.delenv("CUESCAN_NETWORK_ARGUMENTS")
    monkeypatch.setenv("CUESCAN_TRUNK", str(trainer_folder(weak) / "checkpoint_final.pth"))
    trainer = make_trainer(trainer_name="PretrainedTrainer")
    trainer.initialize()
    learned = torch.load(trainer_folder(weak) / "checkpoint_final.pth", weights_only=True)["network_weights"]
    trunk = {
        key: value
        for key, value in trainer.network.state_dict().items()
        if key.startswith("trunk.") and not key.endswith("num_batches_tracked")
    }
    assert len(trunk) > 200 and all(torch.equal(value, learned[key]) for key, value in trunk.items())
    rates = {group["factor"] for group in trainer.optimizer.param_groups}
    assert rates == {1.0, 0.1}, "what is known learns more slowly"
    assert trainer.plans_manager.plans["cuescan"]["options"]["trunk"] == "checkpoint_final.pth"


@pytest.fixture(scope="module")
def planned_parts(workplace):
    """Data set 6: nothing is labelled but the left and the right half of each image."""
    folder = tiny.make_raw(workplace.raw, number=6, masks=False, cases=6)
    cues = json.loads((folder / "cues.json").read_text())
    generator = np.random.default_rng(6)
    for index, (case, cue) in enumerate(sorted(cues["cues"].items())):
        _, mask = tiny.draw(generator, (48, 48), index % 2 == 0, index % 3 == 0)
        halves = {"left": (0, 0, 48, 24), "right": (0, 24, 48, 48)}
        cue["parts"] = [
            {
                "box": list(box),
                "labels": {
                    name: int((mask[:, box[1] : box[3]] == value).any())
                    for value, name in enumerate(tiny.CLASSES, start=1)
                },
            }
            for box in halves.values()
        ]
        cue["labels"] = dict.fromkeys(tiny.CLASSES)
        assert Image.open(folder / "labelsTr" / f"{case}.png").getextrema() == (tiny.IGNORE, tiny.IGNORE)
    tiny.write(folder / "cues.json", cues)
    workplace.run("cuescan", "plan", "-d", "6")


@pytest.mark.parametrize("name", ["PretrainedTrainer", "PathMambaTrainer"])
def test_labels_of_parts_are_learned_from(planned_parts, short, name):
    trainer = train(number=6, trainer_name=name)
    (row,) = [json.loads(line) for line in (trainer_folder(trainer) / "progress_cues.jsonl").read_text().splitlines()]
    assert row["loss"] > 0 and 0 <= row["score"] <= 1
    batch = next(make_started(name).dataloader_train)
    assert batch["boxes"].shape[1:] == (2, 4) and not torch.isnan(batch["box_labels"]).any()


@pytest.mark.parametrize("name", ["PretrainedTrainer", "PathMambaTrainer"])
def test_windows_of_images_with_labelled_parts_are_learned_from(planned_parts, short, name, monkeypatch):
    monkeypatch.setenv("CUESCAN_WINDOW", "40")
    monkeypatch.setenv("CUESCAN_COLOUR_JITTER", "0.1")
    first, second = (train(number=6, trainer_name=name) for _ in range(2))
    assert equal(last_weights(first), last_weights(second))
    started = make_started(name)
    batch, whole = next(started.dataloader_train), next(started.dataloader_val)
    assert batch["data"].shape[2:] == (40, 40) and whole["data"].shape[2:] == (48, 48)
    assert torch.isnan(batch["box_labels"]).any(), "a part that is seen in part may have what is not seen"


def test_path_mamba_learns_from_where_no_nucleus_can_lie(planned_parts, short, monkeypatch):
    plain = {number: last_weights(train(number=number)) for number in (1, 6)}  # labels of images, and of parts
    monkeypatch.setenv("CUESCAN_NUCLEI", "1")
    assert not any(equal(weights, last_weights(train(number=number))) for number, weights in plain.items())


def test_windows_of_masks_are_learned_from(short, monkeypatch):
    monkeypatch.setenv("CUESCAN_WINDOW", "40")
    trainer = make_trainer(trainer_name="PretrainedTrainer")
    trainer.on_train_start()
    assert next(trainer.dataloader_train)["target"].shape[2:] == (40, 40)


def test_windows_of_images_whose_labels_are_of_the_whole_are_refused(short, monkeypatch):
    monkeypatch.setenv("CUESCAN_WINDOW", "40")
    trainer = make_trainer(trainer_name="PathMambaTrainer")
    with pytest.raises(SystemExit, match="CUESCAN_WINDOW is 40, but PathMambaTrainer learns here from what cues say"):
        trainer.on_train_start()


def test_methods_of_image_level_labels_refuse_a_case_that_labels_parts_alone(planned_parts, short):
    with pytest.raises(SystemExit, match="states no label, but this network learns from labels only"):
        make_started("ClassActivationTrainer")


@pytest.mark.parametrize("name", ["PretrainedTrainer", "PathMambaTrainer"])
def test_a_part_beyond_its_image_ends_in_one_sentence_before_the_first_step(planned_parts, short, name, monkeypatch):
    monkeypatch.setattr("cuescan.cues.Cues.parts", lambda cues, case: (np.array([[0, 0, 49, 9]]), np.ones((1, 2))))
    with pytest.raises(SystemExit, match="case 'case_000': a part reaches beyond the image, which has 48 rows and 48"):
        make_started(name)


def make_started(name: str):
    trainer = make_trainer(number=6, trainer_name=name)
    trainer.on_train_start()
    return trainer


def trainer_folder(trainer):
    from pathlib import Path

    return Path(trainer.output_folder)
