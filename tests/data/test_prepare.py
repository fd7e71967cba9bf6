from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from cuescan import __version__
from cuescan.cli import main
from cuescan.cues import read_cues

SECRET = "Mrs Example, ward 7, has a red polyp."
RNG = np.random.default_rng(0)


def photo(height: int = 40, width: int = 48, channels: int = 3) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, channels)[: 2 + (channels > 1)], dtype=np.uint8)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Ten RGB images of five patients, masks for half of them, two test images with masks, a table."""
    for name in ("images", "masks", "test", "test_masks"):
        (tmp_path / name).mkdir()
    rows = ["image;patient;tumour;stroma"]
    for number in range(10):
        Image.fromarray(photo()).save(tmp_path / "images" / f"c{number}.png")
        if number % 2:
            Image.fromarray(RNG.integers(0, 4, (40, 48), dtype=np.uint8)).save(tmp_path / "masks" / f"c{number}.png")
        rows.append(f"c{number}.png;P{number // 2};{number % 2};{'' if number % 2 else 1}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    for number in range(2):
        Image.fromarray(photo()).save(tmp_path / "test" / f"t{number}.png")
        Image.fromarray(RNG.integers(0, 3, (40, 48), dtype=np.uint8)).save(tmp_path / "test_masks" / f"t{number}.png")
    return tmp_path


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        "prepare", "-d", "101", "-n", "Toy", "--images", str(folder / "images"), "--cues", str(folder / "labels.csv"),
        "--output", str(folder / "raw"), "--group", "patient", *more,
    ]  # fmt: skip


def failure(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main(command) == 2
    text = capsys.readouterr().err
    assert text.startswith("cuescan: error: ")
    assert text.count("\n") == 1
    return text


def verify(*folders: Path) -> None:
    """Run nnU-Net's own check in a process of its own, with threads, since each worker would import torch."""
    code = (
        "import sys, types\n"
        "from multiprocessing.pool import ThreadPool\n"
        "from nnunetv2.experiment_planning import verify_dataset_integrity as check\n"
        "from nnunetv2.utilities import utils\n"
        "utils.Pool = ThreadPool\n"
        "check.multiprocessing = types.SimpleNamespace(get_context=lambda _: types.SimpleNamespace(Pool=ThreadPool))\n"
        "for folder in sys.argv[1:]: check.verify_dataset_integrity(folder, 1)"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code, *map(str, folders)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("verify_dataset_integrity Done") == len(folders)


def test_the_command_writes_a_complete_data_set(inputs: Path) -> None:
    more = ["--masks", "masks", "--test-images", "test", "--test-masks", "test_masks"]
    more = [str(inputs / item) if item[0] != "-" else item for item in more]
    outcome = subprocess.run(
        [sys.executable, "-m", "cuescan.cli", *arguments(inputs, *more)], capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stderr
    folder = inputs / "raw" / "Dataset101_Toy"
    assert str(folder) in outcome.stdout
    assert "nnUNetv2_plan_and_preprocess -d 101 -c 2d" in outcome.stdout
    assert [path.name for path in (inputs / "raw").iterdir()] == ["Dataset101_Toy"]

    document = json.loads((folder / "dataset.json").read_text())
    assert document["labels"] == {"background": 0, "tumour": 1, "stroma": 2, "ignore": 3}
    assert document["channel_names"] == {"0": "rgb_to_0_1", "1": "rgb_to_0_1", "2": "rgb_to_0_1"}
    assert document["numTraining"] == 10
    assert document["cuescan"]["version"] == __version__
    for number in range(10):
        image = Image.open(folder / "imagesTr" / f"c{number}_0000.png")
        np.testing.assert_array_equal(image, Image.open(inputs / "images" / f"c{number}.png"))
        mask = np.asarray(Image.open(folder / "labelsTr" / f"c{number}.png"))
        if number % 2:
            np.testing.assert_array_equal(mask, Image.open(inputs / "masks" / f"c{number}.png"))
        else:
            assert mask.shape == (40, 48)
            assert (mask == 3).all()
    assert sorted(path.name for path in (folder / "imagesTs").iterdir()) == ["t0_0000.png", "t1_0000.png"]
    assert sorted(path.name for path in (folder / "labelsTs").iterdir()) == ["t0.png", "t1.png"]

    cues = read_cues(folder / "cues.json")
    assert cues.label_vector("c0").tolist() == [0, 1]
    assert cues.cues["c1"].labels == {"tumour": 1, "stroma": None}
    for part in json.loads((folder / "splits_final.json").read_text()):
        patients = [{int(case[1:]) // 2 for case in part[key]} for key in ("train", "val")]
        assert patients[0] & patients[1] == set()


def test_nnunet_accepts_rgb_gray_sixteen_bit_and_nifti(inputs: Path) -> None:
    folders = []
    for number, kind in enumerate(("rgb", "gray", "wide", "nifti"), start=201):
        (inputs / kind).mkdir()
        rows = ["image,labels"]
        for case in range(5):
            rows.append(f"{kind}{case},tumour")
            gray = photo(channels=1)
            if kind == "nifti":
                image = sitk.GetImageFromArray(gray.astype(np.float32))
                image.SetSpacing((0.4, 0.7))
                image.SetOrigin((3.0, -8.0))
                sitk.WriteImage(image, str(inputs / kind / f"{kind}{case}.nii.gz"))
            else:
                pixels = {"rgb": photo(), "gray": gray, "wide": gray.astype(np.uint16) * 200}[kind]
                Image.fromarray(pixels).save(inputs / kind / f"{kind}{case}.png")
        (inputs / f"{kind}.csv").write_text("\n".join(rows))
        command = ["prepare", "-d", str(number), "-n", kind, "--images", str(inputs / kind), "--classes", "tumour"]
        assert main([*command, "--cues", str(inputs / f"{kind}.csv"), "--output", str(inputs / "raw")]) == 0
        folders.append(inputs / "raw" / f"Dataset{number}_{kind}")
    verify(*folders)
    channels = [json.loads((folder / "dataset.json").read_text())["channel_names"] for folder in folders]
    assert [list(set(names.values())) for names in channels] == [["rgb_to_0_1"], ["rgb_to_0_1"], ["zscore"], ["zscore"]]
    assert [len(names) for names in channels] == [3, 1, 1, 1]


def test_gray_among_rgb_becomes_rgb(inputs: Path) -> None:
    gray = photo(channels=1)
    Image.fromarray(gray).save(inputs / "images" / "c3.png")
    assert main(arguments(inputs)) == 0
    pixels = np.asarray(Image.open(inputs / "raw" / "Dataset101_Toy" / "imagesTr" / "c3_0000.png"))
    np.testing.assert_array_equal(pixels, np.stack([gray] * 3, -1))


def test_labels_come_from_masks_only_when_asked(inputs: Path) -> None:
    command = arguments(inputs, "--masks", str(inputs / "masks"), "--classes", "tumour", "stroma")
    images = sorted((inputs / "images").iterdir())
    for path in images[::2]:
        path.unlink()
    assert main([*command, "--cues-from-masks", "0.1"]) == 0
    folder = inputs / "raw" / "Dataset101_Toy"
    for case, cue in read_cues(folder / "cues.json").cues.items():
        mask = np.asarray(Image.open(folder / "labelsTr" / f"{case}.png"))
        annotated = mask[mask < 3]
        assert cue.labels == {
            "tumour": int((annotated == 1).mean() > 0.1),
            "stroma": int((annotated == 2).mean() > 0.1),
        }


def test_an_existing_data_set_is_only_replaced_when_asked(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(inputs)) == 0
    folder = inputs / "raw" / "Dataset101_Toy"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "is there already; give --overwrite to replace it" in failure(capsys, *arguments(inputs))

    damaged = inputs / "images" / "c7.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:500])
    message = failure(capsys, *arguments(inputs, "--overwrite"))
    assert f"{damaged}: the image is truncated or damaged" in message
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    damaged.write_bytes(whole)
    (inputs / "images" / "c8.png").unlink()
    table = inputs / "labels.csv"
    table.write_text("\n".join(line for line in table.read_text().splitlines() if not line.startswith("c8")))
    assert main(arguments(inputs, "--overwrite")) == 0
    assert len(list((folder / "imagesTr").iterdir())) == 9
    assert [path.name for path in (inputs / "raw").iterdir()] == ["Dataset101_Toy"]


def test_nothing_is_left_after_a_failure(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smooth = Image.new("RGB", (480, 400), "pink")
    smooth.save(inputs / "images" / "c7.jpg", quality=95)
    (inputs / "images" / "c7.png").unlink()
    (inputs / "images" / "c7.jpg").write_bytes((inputs / "images" / "c7.jpg").read_bytes()[:-600])
    message = failure(capsys, *arguments(inputs))  # its header is sound, so the damage shows in the midst of writing
    assert "c7.jpg: the image is truncated or damaged" in message
    assert list((inputs / "raw").iterdir()) == []


def test_an_id_belongs_to_one_data_set(
    inputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (inputs / "raw" / "Dataset101_Other").mkdir(parents=True)
    assert "Dataset101_Other: this data set has the id 101 already" in failure(capsys, *arguments(inputs))
    (inputs / "raw" / "Dataset101_Other").rmdir()
    (inputs / "results" / "Dataset101_Old").mkdir(parents=True)
    monkeypatch.setenv("nnUNet_results", str(inputs / "results"))
    assert "Dataset101_Old: this data set has the id 101 already" in failure(capsys, *arguments(inputs))


def test_the_output_defaults_to_nnunet_raw(
    inputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = arguments(inputs)
    place = command.index("--output")
    del command[place : place + 2]
    monkeypatch.delenv("nnUNet_raw", raising=False)
    assert "nnUNet_raw is not set, so there is no folder to write to; set that" in failure(capsys, *command)
    monkeypatch.setenv("nnUNet_raw", str(inputs / "elsewhere"))
    assert main(command) == 0
    assert (inputs / "elsewhere" / "Dataset101_Toy" / "dataset.json").is_file()


def test_sentences_stay_in_the_cue_file(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = inputs / "labels.csv"
    table.write_text("image,text\n" + "\n".join(f'c{number},"{SECRET}"' for number in range(10)))
    command = [item for item in arguments(inputs, "--classes", "polyp") if item not in ("--group", "patient")]
    assert main(command) == 0
    holders = [path.name for path in (inputs / "raw").rglob("*") if path.is_file() and b"Example" in path.read_bytes()]
    assert holders == ["cues.json"]
    captured = capsys.readouterr()
    assert "Example" not in captured.out + captured.err


def damage(folder: Path, what: str) -> list[str]:
    """Spoil one thing and return further options."""
    images, masks = folder / "images", folder / "masks"
    if what == "no row":
        Image.fromarray(photo()).save(images / "c99.png")
    elif what == "no image":
        (images / "c4.png").unlink()
    elif what == "two images":
        Image.fromarray(photo()).save(images / "c4.bmp")
    elif what == "size zero":
        (images / "c4.png").write_bytes(b"")
    elif what == "depth":
        Image.fromarray(photo(channels=1).astype(np.uint16) * 256).save(images / "c4.png")
    elif what == "nifti":
        (images / "c4.png").unlink()
        sitk.WriteImage(sitk.GetImageFromArray(photo(channels=1)), str(images / "c4.nii.gz"))
    elif what == "mask size":
        Image.fromarray(photo(20, 48, 1)).save(masks / "c5.png")
    elif what == "mask value":
        Image.fromarray(np.full((40, 48), 77, np.uint8)).save(masks / "c5.png")
    elif what == "mask without image":
        Image.fromarray(photo(channels=1)).save(masks / "z.png")
    elif what == "folds":
        return ["--folds", "6"]
    elif what == "name":
        return ["-n", "my set"]
    elif what == "id":
        return ["-d", "1000"]
    elif what == "threads":
        return ["-np", "0"]
    elif what == "test masks":
        return ["--test-masks", str(masks)]
    elif what == "class":
        return ["--classes", "tumor", "stroma"]
    return ["--masks", str(masks)]


@pytest.mark.parametrize(
    ("what", "message"),
    {
        "no row": "labels.csv: no cue for case 'c99'; add the cue or remove the image",
        "no image": "labels.csv: no image for the cue of case 'c4'; add the image or remove the cue",
        "two images": "case 'c4' has two images (c4.bmp, c4.png); rename or remove one of them",
        "size zero": "c4.png: the file has size zero; copy it again or remove the case",
        "depth": "c4.png: is a 16-bit image while c0.png is an 8-bit image; convert the images to one format",
        "nifti": "c4.nii.gz: is a DICOM or NIfTI slice while c0.png is an 8-bit image",
        "mask size": "c5.png: the mask is 48 x 20 pixels but c5.png is 48 x 40; make the mask fit the image",
        "mask value": "c5.png: the mask holds the value 77 (known: 0, 1, 2, 3); state what it means with --mask-values",
        "mask without image": "z.png: case 'z' has no image; add the image or remove the mask",
        "folds": "5 groups of cases cannot be split into 6 folds; give --folds 5 or add cases",
        "name": "the data set's name 'my set' may hold only letters, digits, _ and -",
        "id": "the data set's id is 1000 but must lie in 1 ... 999",
        "threads": "-np is 0 but at least one thread is needed",
        "test masks": "test masks without test images; give --test-images",
        "class": "no column for class 'tumor'; add it, did you mean 'tumour'?",
    }.items(),
)
def test_bad_input_is_explained_and_nothing_written(
    inputs: Path, capsys: pytest.CaptureFixture[str], what: str, message: str
) -> None:
    more = damage(inputs, what)
    assert message in failure(capsys, *arguments(inputs, *more))
    assert not list((inputs / "raw").glob("*"))


def test_help_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["prepare", "--help"])
    assert "cuescan prepare -d 101 -n Biopsies --images slides --cues labels.csv" in capsys.readouterr().out


def test_jpeg_masks_need_a_threshold(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = np.zeros((40, 48), np.uint8)
    shape[8:24, 8:32] = 255
    (inputs / "jpeg").mkdir()
    for number in range(10):
        Image.fromarray(shape).save(inputs / "jpeg" / f"c{number}.jpg")
    (inputs / "notes.csv").write_text("image;text\n" + "\n".join(f"c{number};{SECRET}" for number in range(10)))
    command = [
        "prepare", "-d", "101", "-n", "Toy", "--images", str(inputs / "images"), "--cues", str(inputs / "notes.csv"),
        "--classes", "polyp", "--masks", str(inputs / "jpeg"), "--output", str(inputs / "raw"),
    ]  # fmt: skip
    assert '--mask-values ">=128=NAME"' in failure(capsys, *command)
    assert main([*command, "--mask-values", ">=128=polyp"]) == 0
    label = np.asarray(Image.open(inputs / "raw" / "Dataset101_Toy" / "labelsTr" / "c3.png"))
    np.testing.assert_array_equal(label, shape > 0)
