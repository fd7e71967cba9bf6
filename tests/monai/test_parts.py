"""Transforms, inferer, metrics and handlers of the bundles, each against nnU-Net's side or a plain formula."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, EnsureTyped, Invertd, LoadImaged
from nnunetv2.preprocessing.normalization.default_normalization_schemes import (
    RescaleTo01Normalization,
    RGBTo01Normalization,
    ZScoreNormalization,
)
from PIL import Image
from sklearn.metrics import jaccard_score

from cuescan.errors import UserError
from cuescan.monai import (
    KeepGeometryd,
    NormalizeChannelsd,
    PictureReader,
    RandCueAugmentd,
    SaveBest,
    WholeImageInferer,
    is_content,
    mask_metrics,
)
from cuescan.monai.handlers import latest_checkpoint

BLACK_ROWS, BLACK_COLUMNS = (5, 9), (3, 0)


def picture(path, size=(30, 44)):
    pixels = np.random.default_rng(1).integers(1, 256, (*size, 3), dtype=np.uint8)
    pixels = np.pad(pixels, (BLACK_ROWS, BLACK_COLUMNS, (0, 0)))
    Image.fromarray(pixels).save(path)
    return pixels


def steps(channels=3, names=("rgb_to_0_1",) * 3):
    return Compose(
        [
            LoadImaged("image", reader=PictureReader(channels), ensure_channel_first=True),
            CropForegroundd(
                "image", "image", is_content, allow_smaller=True, start_coord_key="crop_start", end_coord_key="crop_end"
            ),
            KeepGeometryd("image"),
            NormalizeChannelsd("image", names),
            EnsureTyped("image"),
        ]
    )


def test_a_picture_is_read_rows_first_and_its_black_border_cut_and_noted(tmp_path):
    pixels = picture(tmp_path / "a.png")
    item = steps()({"case": "a", "image": [str(tmp_path / "a.png")]})
    content = pixels[5:-9, 3:].transpose(2, 0, 1).astype(np.float32) / 255
    assert np.array_equal(item["image"].numpy(), content)
    height, width = pixels.shape[:2]
    assert item["shape"].tolist() == [height, width] and bool(item["valid"].all())
    assert item["crop"].tolist() == pytest.approx([3 / width, 5 / height, 1, (height - 9) / height])


def test_a_prediction_gets_the_size_of_its_picture_back(tmp_path):
    pixels = picture(tmp_path / "a.png")
    transform = steps()
    item = transform({"case": "a", "image": [str(tmp_path / "a.png")]})
    item["pred"] = MetaTensor(torch.ones(1, *item["image"].shape[1:]))
    mask = Invertd("pred", transform, "image", nearest_interp=True)(item)["pred"][0].numpy()
    assert mask.shape == pixels.shape[:2] and np.array_equal(mask > 0, pixels.any(-1))


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("rgb_to_0_1", RGBTo01Normalization),
        ("rescale_to_0_1", RescaleTo01Normalization),
        ("zscore", ZScoreNormalization),
    ],
)
def test_channels_are_normalised_as_nnunet_normalises_them(name, scheme):
    image = np.random.default_rng(0).integers(0, 256, (2, 20, 31)).astype(np.float32)
    found = NormalizeChannelsd("image", [name, name])({"image": MetaTensor(torch.from_numpy(image))})["image"]
    expected = [scheme(use_mask_for_norm=False, intensityproperties={}).run(channel.copy()) for channel in image]
    assert np.allclose(found.numpy(), np.stack(expected), atol=1e-6)


def test_other_channels_are_refused(tmp_path):
    with pytest.raises(UserError, match="channels called 'CT' are not normalised in bundles; train them with nnU-Net"):
        NormalizeChannelsd("image", ["CT"])
    picture(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: the image has 3 channels but the network takes 1; convert it"):
        PictureReader(1).get_data(PictureReader(1).read(tmp_path / "a.png"))


def test_augmentation_moves_image_and_valid_pixels_together():
    def augmented(seed: int, epoch: int, case: str, may_turn: bool = True) -> dict:
        image = torch.zeros(3, 20, 30)
        image[:, 2:9, 4:12] = 0.9
        item = {
            "case": case, "image": MetaTensor(image), "valid": image[:1] > 0,
            "turn": torch.zeros(3, dtype=torch.bool), "may_turn": may_turn, "may_stain": True,
        }  # fmt: skip
        augment = RandCueAugmentd("image", (32, 32), True, 0.0, seed)
        augment.set_epoch(epoch)
        torch.manual_seed(hash((seed, epoch)))  # of no importance
        return augment(item)

    for turns in (
        {tuple(augmented(seed, 0, "a")["turn"].tolist()) for seed in range(99)},
        {tuple(augmented(0, epoch, "a")["turn"].tolist()) for epoch in range(99)},
        {tuple(augmented(0, 0, f"case {number}")["turn"].tolist()) for number in range(99)},
    ):
        assert len(turns) == 8
    for epoch in range(10):
        found = augmented(0, epoch, "a")
        assert torch.equal(found["valid"][0], found["image"].as_tensor().mean(0) > 0.4)
        torch.rand(3)
        assert torch.equal(augmented(0, epoch, "a")["image"], found["image"])
        assert not augmented(0, epoch, "a", may_turn=False)["turn"].any()


def test_inference_pads_mirrors_and_averages():
    weight = torch.rand(40, 50)  # a network that knows where it looks, so that views differ

    def network(image: torch.Tensor) -> torch.Tensor:
        assert image.shape[2:] == (40, 50)
        return torch.cat([image.mean(1, keepdim=True) * weight, weight.expand(len(image), 1, 40, 50)], 1)

    image = torch.rand(2, 3, 31, 48)
    rows, columns = slice(4, 35), slice(1, 49)
    padded = torch.zeros(2, 3, 40, 50)
    padded[:, :, rows, columns] = image
    views = [(), (2,), (3,), (2, 3)]
    expected = torch.stack([network(padded.flip(v)).flip(v) for v in views]).mean(0)[..., rows, columns]
    assert torch.allclose(WholeImageInferer((40, 50))(MetaTensor(image), network), expected)
    plain = network(padded)[..., rows, columns]
    assert torch.allclose(WholeImageInferer((40, 50), ())(image, network), plain)


def test_mean_iou_is_of_one_confusion_matrix_and_leaves_out_what_is_not_labelled():
    generator = np.random.default_rng(0)
    pairs = [(generator.integers(0, 4, size), generator.integers(0, 3, size)) for size in ((9, 7), (20, 3))]
    metric = mask_metrics(True, 2, True)["val_mean_iou"]
    outputs = [[{"pred": torch.tensor(pred)[None], "label": torch.tensor(label)[None]}] for label, pred in pairs]
    engine = Engine(lambda engine, output: output)
    metric.attach(engine, "mean_iou")
    state = engine.run(outputs)
    truth = np.concatenate([label[label < 3] for label, _ in pairs])  # 3 is ignore
    guess = np.concatenate([pred[label < 3] for label, pred in pairs])
    expected = jaccard_score(truth, guess, labels=[1, 2], average="macro")
    assert float(state.metrics["mean_iou"]) == pytest.approx(expected)
    assert mask_metrics(False, 2, True) is None


def test_the_best_weights_are_kept_and_a_resumed_training_remembers_them(tmp_path):
    network = torch.nn.Linear(1, 1)
    saver = SaveBest(network, tmp_path / "models" / "model.pt")

    def validated(value: float, weight: float) -> None:
        torch.nn.init.constant_(network.weight, weight)
        saver(SimpleNamespace(state=SimpleNamespace(metrics={"score": value}, key_metric_name="score")))

    def kept() -> float:
        return float(torch.load(tmp_path / "models" / "model.pt", weights_only=True)["weight"])

    validated(0.5, 1)
    validated(0.4, 2)
    assert kept() == 1
    state = saver.state_dict()
    saver = SaveBest(network, tmp_path / "models" / "model.pt")
    saver.load_state_dict(state)
    validated(0.45, 3)
    assert kept() == 1
    validated(0.6, 4)
    assert kept() == 4


def test_the_newest_checkpoint_is_by_number_not_by_name(tmp_path):
    with pytest.raises(UserError, match="there is no training to go on with; run train.json first"):
        latest_checkpoint(tmp_path)
    for epoch in (2, 10, 9):
        (tmp_path / f"checkpoint_epoch={epoch}.pt").write_bytes(b"")
    assert latest_checkpoint(tmp_path).endswith("checkpoint_epoch=10.pt")
