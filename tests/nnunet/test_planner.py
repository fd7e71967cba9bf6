from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_dataset as tiny

from cuescan.errors import UserError

NAME = "Dataset003_Tiny"


@pytest.fixture
def raw(active, tmp_path, monkeypatch):
    """A raw data set of two image sizes with masks, not planned."""
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "preprocessed"))
    return tiny.make_raw(tmp_path / "raw", number=3, cases=6, sizes=((48, 40), (40, 57)))


def refused(action, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_patch_covers_every_image_and_stock_networks_take_it(raw, tmp_path):
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from cuescan.nnunet.planner import plan

    plans = json.loads(plan(3).read_text())
    settings = plans["configurations"]["2d"]
    assert settings["patch_size"][0] >= 48 and settings["patch_size"][1] >= 57
    assert settings["median_image_size_in_voxels"] == [44, 48.5] and plans["plans_name"] == "nnUNetPlans"
    manager = PlansManager(plans)
    import torch

    network = nnUNetTrainer.build_network_architecture(manager, manager.get_configuration("2d"), 3, 3, False)
    assert network(torch.zeros(1, 3, *settings["patch_size"])).shape[2:] == tuple(settings["patch_size"])
    folder = tmp_path / "preprocessed" / NAME
    assert len(list((folder / "nnUNetPlans_2d").glob("*_seg.b2nd"))) == 6
    assert (folder / "cues.json").read_bytes() == (raw / "cues.json").read_bytes()
    assert (folder / "splits_final.json").is_file()


def test_large_images_stay_whole(raw):
    from cuescan.nnunet.planner import NO_MEMORY_LIMIT, WholeImagePlanner

    folder = raw.parents[1] / "preprocessed" / NAME
    folder.mkdir(parents=True)
    statistics = {"mean": 0, "std": 1, "median": 0, "min": 0, "max": 1, "percentile_99_5": 1, "percentile_00_5": 0}
    found = {
        "spacings": [[999, 1, 1]] * 3,
        "shapes_after_crop": [[1, 768, 1024], [1, 500, 574], [1, 3000, 600]],
        "foreground_intensity_properties_per_channel": {str(c): statistics for c in range(3)},
        "median_relative_size_after_cropping": 1,
    }
    tiny.write(folder / "dataset_fingerprint.json", found)
    plan = WholeImagePlanner(NAME, NO_MEMORY_LIMIT).plan_experiment()["configurations"]["2d"]
    assert plan["patch_size"][0] >= 3000 and plan["patch_size"][1] >= 1024
    steps = np.prod(plan["architecture"]["arch_kwargs"]["strides"], axis=0)
    assert (np.array(plan["patch_size"]) % steps == 0).all() and plan["batch_size"] == 2


def test_the_fingerprint_is_nnunets_where_the_whole_image_is_foreground_and_ignores_masks(raw):
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    from cuescan.nnunet.fingerprint import extract_fingerprint
    from cuescan.nnunet.planner import check_raw

    for path in (raw / "labelsTr").glob("*.png"):
        mask = np.array(tiny.Image.open(path))
        tiny.save(path, np.full_like(mask, tiny.IGNORE))
    stock = DatasetFingerprintExtractor(3, 1)
    stock.num_foreground_voxels_for_intensitystats = 1e6
    expected = stock.run()
    shutil.rmtree(raw / "labelsTr")
    (raw / "labelsTr").mkdir()
    cases = {path.stem[:-5]: [str(path)] for path in (raw / "imagesTr").glob("*.png")}
    found = extract_fingerprint(cases, json.loads((raw / "dataset.json").read_text()))
    assert [list(shape) for shape in expected["shapes_after_crop"]] == found["shapes_after_crop"]
    for channel in range(3):
        mine = found["foreground_intensity_properties_per_channel"][str(channel)]
        theirs = expected["foreground_intensity_properties_per_channel"][channel]
        assert mine == pytest.approx(theirs, abs=1)
    assert "label" in refused(check_raw, NAME)


def test_bad_images_are_named_and_nothing_is_written(raw, tmp_path):
    from cuescan.nnunet.planner import plan

    image = raw / "imagesTr" / "case_002_0000.png"
    kept = image.read_bytes()
    image.write_bytes(kept[:100])
    message = refused(plan, 3)
    assert str(image) in message and "case 'case_002' cannot be read" in message
    tiny.save(image, np.zeros((48, 40), np.uint8))
    assert "case 'case_002' has 1 channels but dataset.json names 3" in refused(plan, 3)
    tiny.save(image, np.zeros((48, 40, 3), np.uint8))
    assert "case 'case_002' is empty" in refused(plan, 3)
    image.unlink()
    assert "no image for the cue of case 'case_002'" in refused(plan, 3)
    assert not (tmp_path / "preprocessed").exists()


def test_cues_are_taken_over_into_existing_plans(raw, tmp_path):
    from cuescan.nnunet.planner import plan, take_over_cues

    assert "is not planned yet; run cuescan plan -d 3" in refused(take_over_cues, 3)
    plan(3)
    cues = json.loads((raw / "cues.json").read_text())
    cues["cues"]["case_001"]["labels"]["square"] = 1
    tiny.write(raw / "cues.json", cues)
    assert take_over_cues(3).read_bytes() == (raw / "cues.json").read_bytes()
    splits = json.loads((raw / "splits_final.json").read_text())
    tiny.write(raw / "splits_final.json", splits[::-1])
    assert "remove the one that is wrong" in refused(plan, 3)


def test_unknown_data_sets_and_folders(active, monkeypatch):
    from cuescan.nnunet.planner import plan

    assert "has 0 data sets with number 77" in refused(plan, 77)
    monkeypatch.delenv("nnUNet_preprocessed")
    assert "nnUNet_preprocessed is not set" in refused(plan, 1)


def test_the_command_explains_itself_and_its_errors(workplace):
    assert "--cues-only" in workplace.run("cuescan", "plan", "--help")
    printed = workplace.run("cuescan", "plan", "-d", "77", ok=False)
    assert workplace.status == 2 and printed.startswith("cuescan: error: ") and "Traceback" not in printed
