from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cuescan.cues import read_cues
from cuescan.cues.language import read_sentence
from cuescan.data.entries import load_entry
from cuescan.share import share_path

RNG = np.random.default_rng(0)
SETS = ("cvc_clinicdb", "cvc_colondb", "etis_larib", "kvasir_seg", "polypgen", "isic2017")
HEIGHT, WIDTH = 48, 64


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(share_path("preprocessing") / f"{script}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def written(script: str, *arguments: object) -> Path:
    outcome = run(script, *arguments)
    assert outcome.returncode == 0, outcome.stderr
    return Path(outcome.stdout.strip())


def load(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stems(folder: Path) -> set[str]:
    return {path.stem.removesuffix("_0000") for path in folder.iterdir()}


def finding(number: int) -> np.ndarray:
    """A box of its own for each number, in the upper left half."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    top, left = 4 + number % 7, 5 + number % 11
    mask[top : top + 12, left : left + 16] = True
    return mask


def photo(path: Path, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


def mask(path: Path, number: int, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(finding(number).astype(np.uint8) * 255).convert(mode).save(path)


def folds(folder: Path) -> list[dict[str, list[str]]]:
    return json.loads((folder / "splits_final.json").read_text())


def sentences(folder: Path, class_name: str) -> dict[str, str]:
    """The data set's cues, which are sentences alone."""
    cues = read_cues(folder / "cues.json")
    assert (cues.classes, cues.background) == ((class_name,), True)
    assert all(not cue.labels and cue.text for cue in cues.cues.values())
    return {case: cue.text or "" for case, cue in cues.cues.items()}


def check_sentences(folder: Path, class_name: str) -> None:
    """Every sentence says of its case's mask: whether there is a finding, its box, its place and its share."""
    for case, text in sentences(folder, class_name).items():
        label = load(folder / "labelsTr" / f"{case}.png") == 1
        height, width = label.shape
        (statement,) = read_sentence(text, (class_name,), label.shape)
        assert statement.present == label.any()
        if label.any():
            rows, columns = np.nonzero(label)
            left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
            (box,) = statement.boxes
            stated = np.array([box.left * width, box.top * height, box.right * width, box.bottom * height])
            np.testing.assert_allclose(stated, [left, top, right, bottom], atol=1.01)
            (place,) = statement.places
            assert place.left - 0.02 <= (left + right) / 2 / width <= place.right + 0.02
            assert place.top - 0.02 <= (top + bottom) / 2 / height <= place.bottom + 0.02
            assert statement.share == pytest.approx(label.mean(), rel=0.05)


def pairs(folder: Path, count: int, ending: str = "png") -> Path:
    for number in range(count):
        photo(folder / "images" / f"c{number}.{ending}")
        mask(folder / "masks" / f"c{number}.{ending}", number)
    return folder


def table(path: Path, rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


# CVC-ClinicDB

FRAMES = (1, 25, 26, 50, 51, 67, 68, 78, 79, 103, 104, 612)  # two frames of five sequences, one of two


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    for frame in FRAMES:
        photo(tmp_path / "CVC-ClinicDB" / "Original" / f"{frame}.tif")
        mask(tmp_path / "CVC-ClinicDB" / "Ground Truth" / f"{frame}.tif", frame, "RGB")
    return tmp_path / "CVC-ClinicDB"


def test_clinicdb_keeps_sequences_whole(clinic: Path, tmp_path: Path) -> None:
    folder = written("cvc_clinicdb", clinic, "--output", tmp_path / "raw")
    assert folder.name == "Dataset121_CVC-ClinicDB"
    check_sentences(folder, "polyp")
    assert set(sentences(folder, "polyp")) == {str(frame) for frame in FRAMES}
    for frame in FRAMES:
        np.testing.assert_array_equal(load(folder / "labelsTr" / f"{frame}.png"), finding(frame))
        np.testing.assert_array_equal(
            load(folder / "imagesTr" / f"{frame}_0000.png"), load(clinic / "Original" / f"{frame}.tif")
        )
    for fold in folds(folder):
        for first, last in ((1, 25), (26, 50), (51, 67), (68, 78), (79, 103)):
            assert (str(first) in fold["val"]) == (str(last) in fold["val"])


def test_clinicdb_prefers_the_metadata_of_a_copy(clinic: Path, tmp_path: Path) -> None:
    clinic.joinpath("PNG").mkdir()
    for name in ("Original", "Ground Truth"):
        (clinic / name).rename(clinic / "PNG" / name)
    table(clinic / "metadata.csv", [["frame_id", "sequence_id"], *([frame, frame % 3] for frame in FRAMES)])
    folder = written("cvc_clinicdb", clinic, "--folds", 3, "--output", tmp_path / "raw")
    for fold in folds(folder):
        assert len({int(case) % 3 for case in fold["val"]}) == 1


def test_clinicdb_holds_out_whole_sequences(clinic: Path, tmp_path: Path) -> None:
    folder = written("cvc_clinicdb", clinic, "--hold-out", 0.3, "--folds", 3, "--output", tmp_path / "raw")
    held = {int(case) for case in stems(folder / "imagesTs")}
    assert held and held.isdisjoint(map(int, sentences(folder, "polyp")))
    assert stems(folder / "labelsTs") == {str(frame) for frame in held}
    for first, last in ((1, 25), (26, 50), (51, 67), (68, 78), (79, 103)):
        assert (first in held) == (last in held)


def test_clinicdb_frames_of_unknown_number_are_an_error(clinic: Path, tmp_path: Path) -> None:
    photo(clinic / "Original" / "613.tif")
    mask(clinic / "Ground Truth" / "613.tif", 0)
    outcome = run("cvc_clinicdb", clinic, "--output", tmp_path / "raw")
    assert outcome.returncode == 2
    assert "613.tif: frame '613' belongs to no known sequence; restore the frame's number" in outcome.stderr
    table(clinic / "cases.csv", [["case", "group"], *([frame, frame // 100] for frame in (*FRAMES, 613))])
    folder = written("cvc_clinicdb", clinic, "--folds", 2, "--output", tmp_path / "raw")
    assert all(("612" in fold["val"]) == ("613" in fold["val"]) for fold in folds(folder))


# CVC-ColonDB and ETIS-Larib


def test_colondb_takes_groups_from_a_table(tmp_path: Path) -> None:
    source = pairs(tmp_path / "CVC-ColonDB", 10)
    table(source / "cases.csv", [["case", "group"], *([f"c{number}", number // 2] for number in range(10))])
    folder = written("cvc_colondb", source, "--output", tmp_path / "raw")
    assert set(sentences(folder, "polyp")) == {f"c{number}" for number in range(10)}
    assert {tuple(fold["val"]) for fold in folds(folder)} == {(f"c{2 * n}", f"c{2 * n + 1}") for n in range(5)}
    table(source / "cases.csv", [["case", "group"], ["c0", 1]])
    outcome = run("cvc_colondb", source, "--output", tmp_path / "other")
    assert "cases.csv: no row for case 'c1'; add it or remove the image" in outcome.stderr


@pytest.mark.parametrize("truth", ["Ground Truth", "GroundTruth"])
def test_etis_larib(tmp_path: Path, truth: str) -> None:
    source = tmp_path / "ETIS-LaribPolypDB"
    for frame in range(1, 7):
        photo(source / "ETIS-LaribPolypDB" / f"{frame}.tif")
        mask(source / truth / f"p{frame}.tif", frame, "RGB")
    folder = written("etis_larib", source, "--output", tmp_path / "raw")
    assert set(sentences(folder, "polyp")) == {str(frame) for frame in range(1, 7)}
    for frame in range(1, 7):
        np.testing.assert_array_equal(load(folder / "labelsTr" / f"{frame}.png"), finding(frame))


def test_etis_larib_as_a_folder_with_images(tmp_path: Path) -> None:
    folder = written("etis_larib", pairs(tmp_path / "larib", 6), "--output", tmp_path / "raw")
    assert len(sentences(folder, "polyp")) == 6


# Kvasir-SEG


@pytest.fixture
def kvasir(tmp_path: Path) -> Path:
    """Ten images with JPEG masks, whose values are not only 0 and 255, and the download's boxes."""
    source = pairs(tmp_path / "Kvasir-SEG", 10, "jpg")
    (source / "kavsir_bboxes.json").write_text("{}")
    assert len(np.unique(load(source / "masks" / "c0.jpg"))) > 2
    return source


def test_kvasir_masks_are_thresholded(kvasir: Path, tmp_path: Path) -> None:
    folder = written("kvasir_seg", kvasir, "--output", tmp_path / "raw")
    check_sentences(folder, "polyp")
    for number in range(10):
        label = load(folder / "labelsTr" / f"c{number}.png")
        np.testing.assert_array_equal(label, load(kvasir / "masks" / f"c{number}.jpg") >= 128)
        assert (label != finding(number)).mean() < 0.01
    assert json.loads((folder / "dataset.json").read_text())["labels"] == {"background": 0, "polyp": 1, "ignore": 2}


def test_a_missing_mask_is_one_sentence(kvasir: Path, tmp_path: Path) -> None:
    (kvasir / "masks" / "c3.jpg").unlink()
    outcome = run("kvasir_seg", kvasir, "--output", tmp_path / "raw")
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("kvasir_seg.py: error: ")
    assert "c3.jpg: case 'c3' has no mask of that name; add the mask or remove the image" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert not (tmp_path / "raw").exists()


def test_a_mask_of_another_size_is_found_before_anything_is_written(kvasir: Path, tmp_path: Path) -> None:
    photo(kvasir / "images" / "c3.jpg", (40, 40))
    outcome = run("kvasir_seg", kvasir, "--output", tmp_path / "raw")
    assert outcome.returncode == 2
    assert "c3.jpg: the mask is 64 x 48 pixels but c3.jpg is 40 x 40; make the mask fit the image" in outcome.stderr


def test_a_published_split_from_a_table(kvasir: Path, tmp_path: Path) -> None:
    split = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    table(kvasir / "cases.csv", [["case", "split"], *([f"c{n}.jpg", part] for n, part in enumerate(split))])
    folder = written("kvasir_seg", kvasir, "--output", tmp_path / "raw")
    assert set(sentences(folder, "polyp")) == {f"c{n}" for n in range(6)}
    assert stems(folder / "imagesVal") == stems(folder / "labelsVal") == {"c6", "c7"}
    assert stems(folder / "imagesTs") == stems(folder / "labelsTs") == {"c8", "c9"}


SECRET = "Mrs Example has a small red polyp at the upper left."


def test_own_sentences_replace_the_made_ones(kvasir: Path, tmp_path: Path) -> None:
    table(tmp_path / "notes.csv", [["image", "text"], *([f"c{number}.jpg", SECRET] for number in range(10))])
    folder = written("kvasir_seg", kvasir, "--cues", tmp_path / "notes.csv", "--output", tmp_path / "raw")
    assert set(sentences(folder, "polyp").values()) == {SECRET}
    assert SECRET not in (folder / "dataset.json").read_text()
    table(tmp_path / "notes.csv", [["image", "text"], *([f"c{number}.jpg", SECRET] for number in range(9))])
    outcome = run("kvasir_seg", kvasir, "--cues", tmp_path / "notes.csv", "--output", tmp_path / "other")
    assert "notes.csv: no cue for case 'c9'; add the cue or remove the image" in outcome.stderr
    assert "Example" not in outcome.stderr


def test_weak_only_drops_the_training_masks_but_not_the_sentences(kvasir: Path, tmp_path: Path) -> None:
    weak = written("kvasir_seg", kvasir, "--weak-only", "--hold-out", 0.2, "--output", tmp_path / "weak")
    full = written("kvasir_seg", kvasir, "--hold-out", 0.2, "--output", tmp_path / "full")
    assert sentences(weak, "polyp") == sentences(full, "polyp")
    assert all((load(path) == 2).all() for path in (weak / "labelsTr").iterdir())
    assert names(weak / "labelsTs") == names(full / "labelsTs")
    for path in (weak / "labelsTs").iterdir():
        assert (load(path) == load(full / "labelsTs" / path.name)).all()
        assert set(np.unique(load(path))) == {0, 1}


def test_large_images_can_be_reduced(kvasir: Path, tmp_path: Path) -> None:
    photo(kvasir / "images" / "c0.jpg", (480, 640))
    big = np.kron(finding(0), np.ones((10, 10), bool))
    Image.fromarray(big.astype(np.uint8) * 255).save(kvasir / "masks" / "c0.jpg")
    folder = written("kvasir_seg", kvasir, "--longest-side", 64, "--output", tmp_path / "raw")
    check_sentences(folder, "polyp")
    assert load(folder / "imagesTr" / "c0_0000.png").shape == (48, 64, 3)
    np.testing.assert_array_equal(load(folder / "labelsTr" / "c0.png"), finding(0))
    assert "--longest-side is 8 but" in run("kvasir_seg", kvasir, "--longest-side", 8, "--output", tmp_path).stderr


# PolypGen


@pytest.fixture
def polypgen(tmp_path: Path) -> Path:
    """Six centres of two frames, two videos with polyps, one without."""
    root = tmp_path / "polypgen" / "PolypGen2021_MultiCenterData_v3"
    for centre in range(1, 7):
        folder = root / f"data_C{centre}"
        for frame in range(2):
            photo(folder / f"images_C{centre}" / f"{centre}{frame}OLCV1_100H000{frame}.jpg")
            mask(folder / f"masks_C{centre}" / f"{centre}{frame}OLCV1_100H000{frame}_mask.jpg", frame)
    photo(root / "data_C3" / "images_C3" / "C3_EndoCV2021_00489_.jpg")
    mask(root / "data_C3" / "masks_C3" / "C3_EndoCV2021_00489_mask.jpg", 1)
    for video, frame in ((1, "seq1_C6_10"), (1, "seq1_C6_11"), (2, "seq2_10"), (2, "seq2_11")):
        photo(root / "sequenceData" / "positive" / f"seq{video}" / f"images_seq{video}" / f"{frame}.jpg")
        folder = root / "sequenceData" / "positive" / f"seq{video}" / f"masks_seq{video}"
        mask(folder / f"{frame}_mask.jpg", video)
        (folder / f"{frame}.txt").write_text("polyp 1 1 9 9")
    for frame in range(3):
        photo(root / "sequenceData" / "negativeOnly" / "seq1_neg" / f"{frame}.jpg")
    return root


def test_polypgen_folds_by_centre_and_tests_on_c6(polypgen: Path, tmp_path: Path) -> None:
    folder = written("polypgen", polypgen.parent, "--output", tmp_path / "raw")
    cues = sentences(folder, "polyp")
    check_sentences(folder, "polyp")
    assert len(cues) == 11
    assert "C3_EndoCV2021_00489" in cues
    assert stems(folder / "imagesTs") == stems(folder / "labelsTs") == {"60OLCV1_100H0000", "61OLCV1_100H0001"}
    for fold in folds(folder):
        assert len({case.removeprefix("C")[0] for case in fold["val"]}) == 1


def test_two_files_of_one_case_are_an_error(polypgen: Path, tmp_path: Path) -> None:
    photo(polypgen / "data_C3" / "images_C3" / "C3_EndoCV2021_00489.jpg")
    outcome = run("polypgen", polypgen, "--output", tmp_path / "raw")
    assert outcome.returncode == 2
    assert "means case 'C3_EndoCV2021_00489', as C3_EndoCV2021_00489" in outcome.stderr


def test_polypgen_videos_belong_to_their_centre(polypgen: Path, tmp_path: Path) -> None:
    folder = written("polypgen", polypgen, "--sequences", "--output", tmp_path / "raw")
    cues = sentences(folder, "polyp")
    check_sentences(folder, "polyp")
    assert {"seq1_C6_10", "seq1_C6_11"} <= stems(folder / "imagesTs")
    negatives = {f"seq1_neg_{frame}" for frame in range(3)}
    assert negatives | {"seq2_10", "seq2_11"} <= set(cues)
    for case in negatives:
        assert (load(folder / "labelsTr" / f"{case}.png") == 0).all()
    for fold in folds(folder):
        assert ("seq2_10" in fold["val"]) == ("seq2_11" in fold["val"])
        assert len(negatives & set(fold["val"])) in (0, 3)


def test_polypgen_other_test_centres(polypgen: Path, tmp_path: Path) -> None:
    options = ("--folds", 3, "--output", tmp_path / "raw", "--test-centres", "C1", "C2")
    folder = written("polypgen", polypgen, *options)
    assert {case[0] for case in stems(folder / "imagesTs")} == {"1", "2"}
    outcome = run("polypgen", polypgen, "--output", tmp_path / "raw", "--test-centres", "C9")
    assert "--test-centres: 'C9' is none of C1, C2, C3, C4, C5, C6; use their names" in outcome.stderr
    assert "no data_C1/ ... data_C6/ and no images/ in it" in run("polypgen", tmp_path, "--output", tmp_path).stderr


# ISIC 2017


def test_isic2017(tmp_path: Path) -> None:
    source = tmp_path / "ISIC2017"
    numbers = {"Training": range(6), "Validation": range(6, 8), "Test_v2": range(8, 11)}
    for part, cases in numbers.items():
        nested = f"ISIC-2017_{part}_Data" if part == "Training" else ""
        for number in cases:
            case = f"ISIC_{number:07d}"
            folder = source / f"ISIC-2017_{part}_Data" / nested
            photo(folder / f"{case}.jpg")
            photo(folder / f"{case}_superpixels.png")
            mask(source / f"ISIC-2017_{part}_Part1_GroundTruth" / f"{case}_segmentation.png", number)
    folder = written("isic2017", source, "--output", tmp_path / "raw")
    check_sentences(folder, "lesion")
    assert set(sentences(folder, "lesion")) == {f"ISIC_{number:07d}" for number in range(6)}
    assert stems(folder / "imagesVal") == stems(folder / "labelsVal") == {"ISIC_0000006", "ISIC_0000007"}
    assert stems(folder / "imagesTs") == {f"ISIC_{number:07d}" for number in (8, 9, 10)}
    np.testing.assert_array_equal(load(folder / "labelsTs" / "ISIC_0000009.png"), finding(9))
    assert "no folder ISIC-2017_Training_Data/ in it" in run("isic2017", tmp_path, "--output", tmp_path).stderr


@pytest.mark.parametrize("key", SETS)
def test_entries_state_a_threshold_and_a_colour(key: str) -> None:
    entry = json.loads((share_path("schema") / f"{key}.json").read_text(encoding="utf-8"))
    assert list(entry["palette"]) == entry["classes"]
    assert {"name", "description", "licence", "source", "citation", "protocol"} <= set(entry)
    assert load_entry(key).mask_values.least == (128, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("script", "name"), [("polypgen", "polyp"), ("isic2017", "lesion")])
def test_real_images(shared_data: Path, tmp_path: Path, script: str, name: str) -> None:
    folder = written(script, shared_data / script, "--hold-out", 0.2, "--output", tmp_path)
    assert len(sentences(folder, name)) > 500
