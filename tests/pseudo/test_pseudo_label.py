"""What ``cuescan pseudo-label`` writes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from PIL import Image
from weak_folds import edit, forbid_background, masks_of, silence

from cuescan.pseudo.weak_model import WeakModel

IGNORE = 3


def by_nnunet(place, case: str, folds: list[int], mirroring: bool = True) -> np.ndarray:
    """Mean probabilities (1 + K, H, W) over folds by nnU-Net's own prediction of a single image."""
    total = 0
    for fold in folds:
        predictor = nnUNetPredictor(use_mirroring=mirroring, device=torch.device("cpu"))
        predictor.initialize_from_trained_model_folder(str(place.model), (fold,), "checkpoint_final.pth")
        image, properties = NaturalImage2DIO().read_images([str(place.source / "imagesTr" / f"{case}_0000.png")])
        total = total + predictor.predict_single_npy_array(image, properties, None, None, True)[1][:, 0]
    return total / len(folds)


def without(shares: np.ndarray, *absent: int) -> np.ndarray:
    """The most probable label when some are impossible."""
    shares = shares.copy()
    shares[list(absent)] = -1
    return shares.argmax(0)


@pytest.mark.parametrize("options", [(), ("--disable_tta",)])
def test_each_case_is_what_nnunet_predicts_by_the_fold_that_held_it_out(label, place, options):
    folder, record = label("--keep", "1", *options)
    masks = masks_of(folder / "labelsTr")
    assert record["labelled_by_folds"]["case_003"] == [3] and record["labelled_by_folds"]["case_005"] == [0]
    # case_003 has a stripe and no square, case_006 (fold 1) both
    assert np.array_equal(masks["case_003"], without(by_nnunet(place, "case_003", [3], not options), 1))
    assert np.array_equal(masks["case_006"], by_nnunet(place, "case_006", [1], not options).argmax(0))


def test_folds_are_averaged_as_probabilities_where_several_may_label(label, place):
    edit(
        place.splits,
        lambda splits: [split["train"].remove("case_006") for split in splits if "case_006" in split["train"]],
    )
    folder, record = label("--keep", "1", "-f", "0", "1", "2", "3", "4")
    assert record["labelled_by_folds"]["case_006"] == [0, 1, 2, 3, 4]
    expected = by_nnunet(place, "case_006", list(range(5))).argmax(0)
    assert np.array_equal(masks_of(folder / "labelsTr")["case_006"], expected)


def test_scaled_views_are_averaged_as_probabilities(label, place):
    folder, record = label("--keep", "1", "--disable_tta", "--scales", "1", "2")
    assert record["settings"]["scales"] == [1, 2]
    model = WeakModel(place.model, [1], "checkpoint_final.pth", torch.device("cpu"), False)
    pixels = NaturalImage2DIO().read_images([str(place.source / "imagesTr" / "case_006_0000.png")])[0][None, :, 0]
    image = torch.from_numpy(pixels / 255).float()
    larger = torch.nn.functional.interpolate(image, scale_factor=2, mode="bilinear")
    with torch.no_grad():
        network = model.networks[1]
        shares = network(image).softmax(1), network(larger).softmax(1)
    shrunk = torch.nn.functional.interpolate(shares[1], size=image.shape[2:], mode="bilinear")
    expected = (shares[0] + shrunk)[0].argmax(0).numpy()
    mask = masks_of(folder / "labelsTr")["case_006"]
    assert (mask == expected).mean() > 0.995  # nnU-Net's arithmetic rounds where two labels are as likely
    assert (mask != shares[0][0].argmax(0).numpy()).any(), "the second view changed nothing"


def test_only_stated_classes_are_removed(label, place):
    masks = masks_of(label("--keep", "1")[0] / "labelsTr")
    cues = json.loads((place.source / "cues.json").read_text())["cues"]
    for case, mask in masks.items():
        for number, name in enumerate(("square", "stripe"), start=1):
            assert cues[case]["labels"][name] != 0 or not (mask == number).any()
    assert (masks["case_000"] == 2).any(), "stripe is not stated of case_000"


def test_the_share_of_each_class_is_labelled_and_recorded(label):
    everything, half = label("--keep", "1", number=2), label("--keep", "0.5", number=3)
    whole, masks = masks_of(everything[0] / "labelsTr"), masks_of(half[0] / "labelsTr")
    total = sum(mask.size for mask in whole.values())
    for number, name in enumerate(("background", "square", "stripe")):
        predicted = sum((mask == number).sum() for mask in whole.values())
        labelled = sum((mask == number).sum() for mask in masks.values())
        shares = half[1]["classes"][name]
        assert shares["predicted"] == pytest.approx(predicted / total)
        assert shares["labelled"] == pytest.approx(labelled / total)
        if number:  # no case of these can be nothing else
            assert labelled == pytest.approx(0.5 * predicted, abs=3)
    for case, mask in masks.items():
        assert ((mask == whole[case]) | (mask == IGNORE)).all()
    assert everything[1]["ignored"] == pytest.approx(0, abs=1e-9)
    # an image of which nothing is labelled gets no mask, and counts as ignored
    assert sorted(half[1]["left_out"]) == sorted(whole.keys() - masks.keys())
    labelled = sum((mask != IGNORE).sum() for mask in masks.values())
    assert half[1]["ignored"] == pytest.approx(1 - labelled / total)


def test_masks_of_training_cases_are_never_read(label, place):
    seen, _ = label(number=2)
    shutil.rmtree(place.source / "labelsTr")
    unseen, _ = label(number=3)
    one, other = masks_of(seen / "labelsTr"), masks_of(unseen / "labelsTr")
    assert one.keys() == other.keys() and all(np.array_equal(one[case], other[case]) for case in one)


def test_the_data_set_is_complete(label, place):
    for name in ("imagesTs", "labelsTs"):
        (place.source / name).mkdir()
        shutil.copy(place.source / "labelsTr" / "case_001.png", place.source / name / "test_0000.png")
    folder, record = label("-n", "Second")
    assert folder.name == "Dataset002_Second" and (folder / "pseudo_label.png").is_file()
    for name in ("imagesTs", "labelsTs"):
        assert (folder / name / "test_0000.png").read_bytes() == (place.source / name / "test_0000.png").read_bytes()
    for image in (place.source / "imagesTr").iterdir():
        assert (folder / "imagesTr" / image.name).read_bytes() == image.read_bytes()
    document = json.loads((folder / "dataset.json").read_text())
    assert document["labels"] == {"background": 0, "square": 1, "stripe": 2, "ignore": IGNORE}
    assert (document["name"], document["numTraining"], document["background"]) == ("Second", 10, True)
    assert json.loads((folder / "splits_final.json").read_text()) == json.loads(place.splits.read_text())
    assert json.loads((folder / "cues.json").read_text())["cues"]["case_000"] == {
        "labels": {"square": 1, "stripe": None}
    }
    assert sorted(path.name for path in place.raw.iterdir()) == ["Dataset001_Tiny", "Dataset002_Second"]


def test_the_record_tells_model_folds_settings_and_versions(label, place):
    _, record = label("--keep", "0.6", "--disable_tta")
    assert record["source"] == "Dataset001_Tiny" and record["model"] == place.model.name
    assert len(record["checkpoints"]) == 5 and all(len(digest) == 64 for digest in record["checkpoints"].values())
    assert record["settings"] == {
        "keep": 0.6, "mirroring": False, "scales": [1.0], "seen": False, "whole_images": False,
    }  # fmt: skip
    assert record["versions"]["cuescan"] and record["versions"]["nnunetv2"]
    assert 0 < record["classes"]["square"]["least_confidence"] < 1


def test_no_sentence_of_a_cue_is_written(label, place):
    for path in (place.source / "cues.json", place.splits.with_name("cues.json")):
        edit(path, lambda cues: cues["cues"]["case_003"].update(text="Wilhelmina has one bright stripe."))
    folder, _ = label()
    for path in folder.rglob("*"):
        assert path.is_dir() or b"Wilhelmina" not in path.read_bytes()


def test_seen_lets_a_single_fold_label_all(label):
    _, record = label("-f", "0", "--seen")
    assert set(map(tuple, record["labelled_by_folds"].values())) == {(0,)} and record["settings"]["seen"]


def test_without_background_label_0_stays_unused_and_a_sole_class_takes_all(label, place):
    forbid_background(place)
    folder, record = label()
    masks = masks_of(folder / "labelsTr")
    assert not any((mask == 0).any() for mask in masks.values())
    assert (masks["case_003"] == 2).all(), "the square is absent, so every pixel is stripe"
    assert "background" not in record["classes"] and (masks["case_006"] == IGNORE).any()
    assert json.loads((folder / "dataset.json").read_text())["background"] is False


def test_black_surroundings_are_open_without_background(label, place):
    forbid_background(place)
    path = place.source / "imagesTr" / "case_003_0000.png"
    pixels = np.array(Image.open(path))
    pixels[:10] = 0
    Image.fromarray(pixels).save(path)
    mask = masks_of(label()[0] / "labelsTr")["case_003"]
    assert (mask[:10] == IGNORE).all() and (mask[10:] == 2).all()


def test_cases_without_a_labelled_pixel_are_left_out(label, place, monkeypatch):
    from cuescan.pseudo import labelling

    blank = iter([True] + [False] * 9)
    real = labelling.pseudo_labels
    monkeypatch.setattr(
        labelling, "pseudo_labels", lambda *given: np.full_like(real(*given), IGNORE) if next(blank) else real(*given)
    )
    folder, record = label()
    assert record["left_out"] == ["case_000"] and not (folder / "imagesTr" / "case_000_0000.png").exists()
    splits = json.loads((folder / "splits_final.json").read_text())
    assert splits[0]["val"] == ["case_005"] and all("case_000" not in split["train"] for split in splits)
    assert json.loads((folder / "dataset.json").read_text())["numTraining"] == 9


def test_a_failure_on_the_way_leaves_nothing(label, place, monkeypatch):
    monkeypatch.setattr("cuescan.pseudo.labelling.write_overview", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        label()
    assert [path.name for path in place.raw.iterdir()] == ["Dataset001_Tiny"]


def test_a_class_that_is_predicted_nowhere_is_told(label, place, capsys):
    silence(place, 1)
    _, record = label()
    assert record["classes"]["stripe"]["predicted"] > 0 == record["classes"]["square"]["predicted"]
    assert "square: predicted nowhere, so the second stage cannot learn it" in capsys.readouterr().out


def test_a_model_that_predicts_no_class_is_refused(refused, place):
    silence(place, 1, 2)
    assert refused() == (
        f"{place.model}: no pixel of any image was predicted as a class, so there is nothing to learn; train the weak "
        "model for longer"
    )
