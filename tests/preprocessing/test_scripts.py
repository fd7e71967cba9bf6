from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cuescan.cues import Cues, read_cues
from cuescan.data.crops import crop_starts
from cuescan.share import share_path

RNG = np.random.default_rng(0)


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(share_path("preprocessing") / f"{script}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def written(script: str, *arguments: object) -> Path:
    outcome = run(script, *arguments)
    assert outcome.returncode == 0, outcome.stderr
    return Path(outcome.stdout.strip())


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def load(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def parts(folder: Path) -> list[dict[str, list[str]]]:
    return json.loads((folder / "splits_final.json").read_text())


# GlaS


def gland_mask(number: int) -> np.ndarray:
    """Glands numbered 1, 2, ... as in the download, none in the left third."""
    mask = np.zeros((150, 200), np.uint8)
    mask[20:140, 80:130] = 1
    mask[20:140, 140:190] = number + 2
    return mask


@pytest.fixture
def glas_download(tmp_path: Path) -> Path:
    folder = tmp_path / "Warwick QU Dataset"
    folder.mkdir()
    rows = ["name, patient ID, grade (GlaS)"]
    for kind, count in (("train", 6), ("testA", 2), ("testB", 1)):
        for number in range(1, count + 1):
            noise(150, 200).save(folder / f"{kind}_{number}.bmp")
            Image.fromarray(gland_mask(number)).save(folder / f"{kind}_{number}_anno.bmp")
            rows.append(f"{kind}_{number}, {(number + 1) // 2}, benign")
    (folder / "Grade.csv").write_text("\n".join(rows))
    return folder


def test_glas_crops_and_labels(glas_download: Path, tmp_path: Path) -> None:
    options = ("--folds", 3, "--output", tmp_path / "raw", "--test", glas_download)
    folder = written("glas", glas_download, *options)
    document = json.loads((folder / "dataset.json").read_text())
    assert document["labels"] == {"background": 0, "normal": 1, "gland": 2, "ignore": 3}
    cues = read_cues(folder / "cues.json")
    assert (cues.classes, cues.background) == (("normal", "gland"), False)
    assert len(cues.cues) == 6 * len([0, 38]) * len([0, 56, 88])
    for case, cue in cues.cues.items():
        stem, y, x = re.fullmatch(r"(train_\d)_y(\d{4})_x(\d{4})", case).groups()  # type: ignore[union-attr]
        window = np.s_[int(y) : int(y) + 112, int(x) : int(x) + 112]
        glands = load(glas_download / f"{stem}_anno.bmp")[window] > 0
        np.testing.assert_array_equal(load(folder / "labelsTr" / f"{case}.png"), glands + 1)
        np.testing.assert_array_equal(
            load(folder / "imagesTr" / f"{case}_0000.png"), load(glas_download / f"{stem}.bmp")[window]
        )
        assert cue.labels == {"normal": int((~glands).mean() > 0.05), "gland": int(glands.mean() > 0.05)}
    assert names(folder / "imagesTs") == ["testA_1_0000.png", "testA_2_0000.png", "testB_1_0000.png"]
    np.testing.assert_array_equal(load(folder / "labelsTs" / "testA_2.png"), (gland_mask(2) > 0) + 1)
    for part in parts(folder):
        patients = [{(int(case.split("_")[1]) + 1) // 2 for case in part[key]} for key in ("train", "val")]
        assert patients[0] & patients[1] == set()


def test_glas_keeps_images_whole_with_the_labels_of_their_crops(glas_download: Path, tmp_path: Path) -> None:
    crops = written("glas", glas_download, "--folds", 3, "--output", tmp_path / "crops")
    whole = written("glas", glas_download, "--folds", 3, "--output", tmp_path / "whole", "--whole")
    told = json.loads((crops / "cues.json").read_text())["cues"]
    found = json.loads((whole / "cues.json").read_text())["cues"]
    assert sum(len(cue["parts"]) for cue in found.values()) == len(told)
    for image, cue in found.items():
        for part in cue["parts"]:
            top, left, bottom, right = part["box"]
            assert part["labels"] == told[f"{image}_y{top:04d}_x{left:04d}"]["labels"]
            assert (bottom - top, right - left) == (112, 112)
        for name, value in cue["labels"].items():
            assert value == max(part["labels"][name] for part in cue["parts"])
    assert {path.stem.removesuffix("_0000") for path in (whole / "imagesTr").iterdir()} == set(found)


def test_glas_holds_out_whole_images_of_whole_patients(glas_download: Path, tmp_path: Path) -> None:
    folder = written("glas", glas_download, "--folds", 2, "--output", tmp_path / "raw", "--hold-out", 0.3)
    held = names(folder / "labelsTs")
    assert held in (["train_1.png", "train_2.png"], ["train_3.png", "train_4.png"], ["train_5.png", "train_6.png"])
    assert load(folder / "labelsTs" / held[0]).shape == (150, 200)
    trained = {case[:7] for case in read_cues(folder / "cues.json").cues}
    assert len(trained) == 4
    assert trained.isdisjoint(name[:7] for name in held)


def test_glas_as_a_labelled_folder_gives_the_same(glas_download: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rows = ["case,patient,grade"]
    for number in range(1, 7):
        Image.open(glas_download / f"train_{number}.bmp").save(folder / "images" / f"train_{number}.png")
        Image.fromarray(np.minimum(gland_mask(number), 2)).save(folder / "masks" / f"train_{number}.png")
        rows.append(f"train_{number},{(number + 1) // 2},benign")
    (folder / "labels.csv").write_text("\n".join(rows))
    one = written("glas", folder, "--folds", 3, "--output", tmp_path / "one")
    two = written("glas", glas_download, "--folds", 3, "--output", tmp_path / "two")
    for path in (path for path in one.rglob("*") if path.is_file()):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes(), path


def test_crops_reach_the_borders_and_give_the_published_count() -> None:
    assert crop_starts(112, 112, 56) == [0]
    assert crop_starts(168, 112, 56) == [0, 56]
    assert crop_starts(170, 112, 56) == [0, 56, 58]
    sizes = 79 * [(775, 522)] + 4 * [(589, 453)] + [(574, 433), (567, 430)]  # of the 85 training images
    assert sum(len(crop_starts(w, 112, 56)) * len(crop_starts(h, 112, 56)) for w, h in sizes) == 9703


def test_glas_errors_are_one_sentence(glas_download: Path, tmp_path: Path) -> None:
    (glas_download / "train_3_anno.bmp").unlink()
    outcome = run("glas", glas_download, "--output", tmp_path / "raw")
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("glas.py: error: ")
    assert "train_3.bmp: case 'train_3' has no mask of that name; add the mask or remove the image" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    (glas_download / "train_3.bmp").unlink()
    (glas_download / "Grade.csv").unlink()
    assert "neither labels.csv nor Grade.csv" in run("glas", tmp_path / "Warwick QU Dataset").stderr


# LUAD-HistoSeg and BCSS-WSSS

LUAD_PALETTE = [(205, 51, 51), (0, 255, 0), (65, 105, 225), (255, 165, 0), (255, 255, 255)]
BCSS_PALETTE = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (153, 0, 255), (255, 255, 255)]


def tiles(folder: Path, training: str, stems: list[str], palette: list[tuple[int, int, int]]) -> Path:
    """A download in miniature: named training tiles, and annotated ones with palette masks 0 ... 4."""
    (folder / training).mkdir(parents=True)
    for stem in stems:
        noise(224, 224).save(folder / training / f"{stem}.png")
    for part in ("val", "test"):
        for kind in ("img", "mask"):
            (folder / part / kind).mkdir(parents=True)
        for number in range(2):
            noise(224, 224).save(folder / part / "img" / f"{part}-{number}.png")
            mask = Image.fromarray(RNG.integers(0, 5, (224, 224), dtype=np.uint8), "P")
            mask.putpalette(np.array(palette, np.uint8).ravel().tolist())
            mask.save(folder / part / "mask" / f"{part}-{number}.png")
    return folder


def check_tiles(source: Path, folder: Path, classes: tuple[str, ...], cues: dict[str, list[int]]) -> None:
    found: Cues = read_cues(folder / "cues.json")
    assert (found.classes, found.background) == (classes, False)
    assert {case: found.label_vector(case).tolist() for case in found.cues} == cues
    labels = json.loads((folder / "dataset.json").read_text())["labels"]
    assert labels == {"background": 0, **{name: n for n, name in enumerate(classes, start=1)}, "ignore": 5}
    assert names(folder / "imagesTr") == sorted(f"{case}_0000.png" for case in cues)
    assert all((load(path) == 5).all() for path in (folder / "labelsTr").iterdir())
    for part, ending in (("test", "Ts"), ("val", "Val")):
        assert names(folder / f"images{ending}") == [f"{part}-{number}_0000.png" for number in range(2)]
        for number in range(2):
            raw = load(source / part / "mask" / f"{part}-{number}.png")
            np.testing.assert_array_equal(load(folder / f"labels{ending}" / f"{part}-{number}.png"), raw + 1)


@pytest.mark.parametrize("training", ["train", "training"])
def test_luad_histoseg(tmp_path: Path, training: str) -> None:
    stems = [f"{1031280 + slide}-2300-{27920 + x}-[1 0 {slide % 2} {x}]" for slide in range(5) for x in range(2)]
    source = tiles(tmp_path / "LUAD", training, stems, LUAD_PALETTE)
    folder = written("luad_histoseg", source, "--output", tmp_path / "raw")
    expected = {f"{1031280 + s}-2300-{27920 + x}": [1, 0, s % 2, x] for s in range(5) for x in range(2)}
    classes = ("tumour epithelium", "necrosis", "lymphocyte", "tumour-associated stroma")
    check_tiles(source, folder, classes, expected)
    for part in parts(folder):
        assert len({case.split("-")[0] for case in part["val"]}) == 1
        assert len(part["val"]) == 2


def test_bcss_wsss(tmp_path: Path) -> None:
    stems = [
        f"TCGA-A{patient}-A0SP-DX1_xmin{x}_ymin17_MPP-0.2500+{x}[1{x}0{patient % 2}]"
        for patient in range(5)
        for x in range(2)
    ]
    source = tiles(tmp_path / "BCSS", "training", stems, BCSS_PALETTE)
    folder = written("bcss_wsss", source, "--output", tmp_path / "raw")
    expected = {stem.partition("[")[0]: [int(digit) for digit in stem[-5:-1]] for stem in stems}
    check_tiles(source, folder, ("tumour", "stroma", "lymphocytic infiltrate", "necrosis"), expected)
    assert all(len({case[:12] for case in part["val"]}) == 1 for part in parts(folder))


def test_a_tile_without_labels_in_its_name_is_an_error(tmp_path: Path) -> None:
    source = tiles(tmp_path / "LUAD", "train", ["1031280-2300-27920-[1 0 1]"], LUAD_PALETTE)
    outcome = run("luad_histoseg", source, "--output", tmp_path / "raw")
    assert outcome.returncode == 2
    assert "[1 0 1].png: the name must end in 4 labels in brackets, as [1 0 0 1]; restore the name" in outcome.stderr
    assert "neither train/ nor training/ in this folder" in run("bcss_wsss", tmp_path, "--output", tmp_path).stderr


# CoNSeP


def test_consep(tmp_path: Path) -> None:
    classes = ("other", "inflammatory", "epithelial", "spindle")
    for name in ("images", "masks"):
        (tmp_path / "consep" / name).mkdir(parents=True)
    rows: list[list[object]] = [["case", "source_image", *classes]]
    for image in range(6):
        for crop in range(2):
            case = f"train_{image}_{crop:03d}"
            mask = RNG.integers(0, 5, (64, 64), dtype=np.uint8)
            noise(64, 64).save(tmp_path / "consep" / "images" / f"{case}.png")
            Image.fromarray(mask).save(tmp_path / "consep" / "masks" / f"{case}.png")
            rows.append([case, f"train_{image}", 1, crop, 0, 1])
    with (tmp_path / "consep" / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    folder = written("consep", tmp_path / "consep", "--output", tmp_path / "raw", "--hold-out", 0.17)
    cues = read_cues(folder / "cues.json")
    assert (cues.classes, cues.background, len(cues.cues)) == (classes, True, 10)
    assert all(cues.label_vector(case).tolist() == [1, int(case[-1]), 0, 1] for case in cues.cues)
    held = {path.name[:7] for path in (folder / "labelsTs").iterdir()}
    assert len(held) == 1
    assert held.isdisjoint(case[:7] for case in cues.cues)
    case = next(iter(cues.cues))
    np.testing.assert_array_equal(
        load(folder / "labelsTr" / f"{case}.png"), load(tmp_path / "consep" / "masks" / f"{case}.png")
    )


# DFUTissue


def feet(folder: Path, splits: list[str]) -> Path:
    """Photographs of feet with the splits of a copy."""
    rows: list[list[object]] = [["case", "split", "fibrin", "granulation", "callus"]]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number, split in enumerate(splits):
        noise(64, 64).save(folder / "images" / f"{number:04d}.jpg")
        Image.fromarray(RNG.integers(0, 4, (64, 64), dtype=np.uint8)).save(folder / "masks" / f"{number:04d}.png")
        rows.append([f"{number:04d}", split, 1, number % 2, 0])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def test_dfutissue(tmp_path: Path) -> None:
    source = feet(tmp_path / "dfu", [*5 * ["train"], "val", "test"])
    folder = written("dfutissue", source, "--output", tmp_path / "raw")
    cues = read_cues(folder / "cues.json")
    assert (cues.classes, cues.background) == (("fibrin", "granulation", "callus"), True)
    assert {case: cues.label_vector(case).tolist() for case in cues.cues} == {
        f"{number:04d}": [1, number % 2, 0] for number in range(5)
    }
    assert names(folder / "imagesTs") == ["0006_0000.png"]
    assert names(folder / "labelsVal") == ["0005.png"]
    np.testing.assert_array_equal(load(folder / "labelsTs" / "0006.png"), load(source / "masks" / "0006.png"))


def test_dfutissue_cuts_off_the_black_padding(tmp_path: Path) -> None:
    source = feet(tmp_path / "dfu", [*5 * ["train"], "test"])
    photograph = np.zeros((64, 64, 3), np.uint8)
    photograph[:45, :37] = 150
    photograph[20, :10] = 0  # black in the photograph stays
    Image.fromarray(photograph).save(source / "images" / "0000.jpg", quality=95, subsampling=0)
    assert 0 < load(source / "images" / "0000.jpg")[46:].max() < 16  # what JPEG leaves of black
    folder = written("dfutissue", source, "--output", tmp_path / "raw")
    assert load(folder / "imagesTr" / "0000_0000.png").shape == (45, 37, 3)
    np.testing.assert_array_equal(load(folder / "labelsTr" / "0000.png"), load(source / "masks" / "0000.png")[:45, :37])
    assert load(folder / "labelsTr" / "0001.png").shape == (64, 64)


def test_dfutissue_without_test_images_tests_on_val(tmp_path: Path) -> None:
    source = feet(tmp_path / "dfu", [*5 * ["train"], "val"])
    folder = written("dfutissue", source, "--output", tmp_path / "raw")
    assert names(folder / "labelsTs") == ["0005.png"]
    assert not (folder / "imagesVal").exists()
    table = source / "labels.csv"
    table.write_text(table.read_text().replace("val", "validation"))
    outcome = run("dfutissue", source, "--output", tmp_path / "other")
    assert outcome.returncode == 2
    assert "case '0005' has the split 'validation'; write one of train, val, test" in outcome.stderr


@pytest.mark.slow
def test_glas_on_the_real_images(shared_data: Path, tmp_path: Path) -> None:
    folder = written("glas", shared_data / "glas", "--output", tmp_path)
    assert len(read_cues(folder / "cues.json").cues) == 9703


@pytest.mark.parametrize("key", ["glas", "consep", "dfutissue", "luad_histoseg", "bcss_wsss"])
def test_entries_give_a_palette_colour_to_every_class(key: str) -> None:
    entry = json.loads((share_path("schema") / f"{key}.json").read_text(encoding="utf-8"))
    assert list(entry["palette"]) == entry["classes"]
    assert set(entry["mask_values"].values()) <= {"background", "ignore", *entry["classes"]}
    assert {"name", "description", "licence", "source", "citation", "protocol"} <= set(entry)
