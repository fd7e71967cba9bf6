from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.measure import label, regionprops

from cuescan.cli import main
from cuescan.cues import read_cues
from cuescan.cues.language import Statement, read_sentence
from cuescan.data.captions import DETAILS, MOST_LISTED, caption, case_generator, percent
from cuescan.data.lesions import SPECK, find_lesions

CLASSES = ("polyp", "skin_lesion")
NINTHS = ("top left", "top centre", "top right", "middle left", "centre", "middle right") + (
    "bottom left", "bottom centre", "bottom right",
)  # fmt: skip


def rectangle(shape: tuple[int, int], *boxes: tuple[int, int, int, int], number: int = 1) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = number
    return mask


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """Two classes, 0 ... 6 overlapping rectangles."""
    shape = draw(st.integers(30, 240)), draw(st.integers(30, 240))
    mask = np.zeros(shape, np.uint8)
    for _ in range(draw(st.integers(0, 6))):
        rows = sorted(draw(st.lists(st.integers(0, shape[0]), min_size=2, max_size=2, unique=True)))
        columns = sorted(draw(st.lists(st.integers(0, shape[1]), min_size=2, max_size=2, unique=True)))
        mask[slice(*rows), slice(*columns)] = draw(st.integers(0, 2))
    return mask


def expected(region: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Ninth and box (in shares) of each finding, by scikit-image instead of our own code."""
    height, width = region.shape
    found = list(regionprops(label(region, connectivity=2)))
    large = [part for part in found if part.area >= SPECK * region.size]
    result = []
    for part in large or sorted(found, key=lambda part: -part.area)[:1]:
        top, left, bottom, right = part.bbox
        row, column = (int(min(2, 3 * (a + b) / (2 * n))) for a, b, n in ((top, bottom, height), (left, right, width)))
        result.append(
            (NINTHS[3 * row + column], np.array([left / width, top / height, right / width, bottom / height]))
        )
    return result


def states(statement: Statement, region: np.ndarray, detail: str) -> None:
    """Check that a statement is what the region holds."""
    found = expected(region)
    assert statement.present is bool(found)
    if not found or detail == "name":
        assert statement == Statement(statement.name, bool(found), statement.count)
        assert statement.count in (None, 1)
        return
    assert statement.count == len(found) or (statement.count is None and len(found) == 1)
    listed = len(found) <= MOST_LISTED
    assert set(statement.place_words) == ({ninth for ninth, _ in found} if listed else set())
    if detail == "place":
        assert (statement.boxes, statement.share) == ((), None)
        return
    share = region.mean()
    assert statement.share == pytest.approx(share, abs=max(0.0005 if share >= 0.01 else 0.00005, 0.0001 - share) + 1e-9)
    boxes = sorted([box.left, box.top, box.right, box.bottom] for box in statement.boxes)
    assert boxes == [pytest.approx(list(box), abs=1e-6) for box in sorted((b for _, b in found), key=list) if listed]


@settings(max_examples=150)
@given(masks(), st.sampled_from(DETAILS), st.integers(0, 1000))
def test_reading_a_caption_gives_what_the_mask_holds(mask: np.ndarray, detail: str, seed: int) -> None:
    text = caption(mask, CLASSES, np.random.default_rng(seed), detail)
    for number, statement in enumerate(read_sentence(text, CLASSES, mask.shape), start=1):
        states(statement, mask == number, detail)


def test_every_phrasing_is_read() -> None:
    one = rectangle((60, 90), (10, 10, 30, 20))
    two = one | rectangle((60, 90), (60, 40, 90, 60))
    seen = set()
    for seed in range(300):
        for mask in (one, two, np.zeros_like(one)):
            text = caption(mask, ["polyp"], np.random.default_rng(seed))
            states(read_sentence(text, ["polyp"], mask.shape)[0], mask == 1, "full")
            seen.add(re.sub(r"[0-9.]+", "0", text))
    assert len(seen) > 300


def test_at_least_eight_ways_to_describe_one_finding() -> None:
    mask = rectangle((90, 90), (0, 0, 30, 30))
    texts = {caption(mask, ["ulcer"], np.random.default_rng(seed), "place") for seed in range(300)}
    assert {"Ulcer, top-left.", "An ulcer can be seen at the upper left corner."} <= texts
    first_words = {re.sub(r"(top|upper)[- ]left( corner)?|\b(one|an|in|at)\b", "_", text.lower()) for text in texts}
    assert len(first_words) >= 8


def test_a_caption_by_hand() -> None:
    lesion = find_lesions(rectangle((100, 200), (20, 70, 60, 100)) == 1)
    assert [(found.box, found.cell, found.pixels) for found in lesion] == [((20, 70, 60, 100), (2, 0), 1200)]
    (found,) = read_sentence(caption(rectangle((100, 200), (20, 70, 60, 100)), ["polyp"], np.random.default_rng(1)),
                             ["polyp"], (100, 200))  # fmt: skip
    assert (found.share, found.place_words) == (0.06, ("bottom left",))


def test_specks_are_no_findings_unless_there_is_nothing_else() -> None:
    mask = rectangle((100, 100), (10, 10, 30, 30), (90, 90, 92, 92))
    assert len(find_lesions(mask == 1)) == 1
    assert len(find_lesions(rectangle((100, 100), (90, 90, 91, 91)) == 1)) == 1
    assert len(find_lesions(rectangle((100, 100), (90, 90, 91, 91), (0, 0, 2, 1)) == 1)) == 1


def test_a_small_share_is_not_rounded_to_nothing() -> None:
    assert [percent(share) for share in (0.00001, 0.0035, 0.0123, 0.5)] == ["0.01", "0.35", "1.2", "50.0"]


def test_nothing_is_denied_where_part_of_the_mask_is_ignored() -> None:
    mask = rectangle((40, 40), (0, 0, 10, 10), number=2)
    assert caption(mask, ["polyp"], np.random.default_rng(0)) == ""
    mask[30:, 30:] = 1
    (found,) = read_sentence(caption(mask, ["polyp"], np.random.default_rng(0)), ["polyp"], (40, 40))
    assert found.present is True


@pytest.mark.parametrize(
    ("inside", "around", "colour"),
    [
        ((200, 30, 30), (230, 180, 170), ("red",)),
        ((120, 70, 40), (230, 190, 170), ("brown",)),
        ((60, 40, 40), (200, 150, 140), ("dark",)),
        ((230, 215, 210), (170, 90, 80), ("bright",)),
        ((200, 150, 140), (205, 155, 150), ()),
        ((90, 90, 90), (200, 200, 200), ("dark",)),
    ],
)
def test_a_colour_is_named_only_where_it_is_clear(inside: tuple, around: tuple, colour: tuple[str, ...]) -> None:
    mask = rectangle((60, 60), (20, 20, 32, 32))
    image = np.where(mask[..., None] == 1, np.uint8(inside), np.uint8(around))
    text = caption(mask, ["polyp"], np.random.default_rng(0), image=image)
    (found,) = read_sentence(text, ["polyp"], mask.shape)
    assert found.colours == colour


@pytest.mark.parametrize(
    ("side", "size"), [(5, "tiny"), (12, "small"), (25, None), (45, "large"), (80, "huge"), (100, "huge")]
)
def test_a_size_follows_from_the_share(side: int, size: str | None) -> None:
    mask = rectangle((100, 100), (0, 0, side, side))
    image = np.full((100, 100), 128, np.uint8)
    text = caption(mask, ["polyp"], np.random.default_rng(0), "place", image)
    assert read_sentence(text, ["polyp"], mask.shape)[0].size == size


def test_a_case_keeps_its_sentence_whatever_other_cases_there_are() -> None:
    numbers = [case_generator("case_a", 3).integers(1000, size=4).tolist() for _ in range(2)]
    assert numbers[0] == numbers[1] != case_generator("case_b", 3).integers(1000, size=4).tolist()


def test_an_unknown_detail_is_refused() -> None:
    with pytest.raises(ValueError, match="detail is 'all' but must be one of name, place, full"):
        caption(np.zeros((32, 32)), ["polyp"], np.random.default_rng(0), "all")


# the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images with masks: one finding, two, or none."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        boxes = [(5, 5, 20, 15), (50, 30, 60, 40)][: number % 3]
        mask = rectangle((48, 64), *boxes)
        Image.fromarray(mask).save(tmp_path / "masks" / f"c{number}.png")
        image = rng.integers(0, 60, (48, 64, 3), np.uint8) + np.uint8([90, 60, 60]) * (mask[..., None] == 1)
        Image.fromarray(image).save(tmp_path / "images" / f"c{number}.png")
    return tmp_path


def table(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["image"]: row["text"] for row in csv.DictReader(file)}


def test_describe_then_prepare_by_the_real_commands(folder: Path) -> None:
    def run(*words: str | Path) -> str:
        command = [sys.executable, "-m", "cuescan.cli", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    captions = folder / "captions.csv"
    said = run("describe", folder / "masks", "-o", captions, "--classes", "polyp", "--images", folder / "images")
    assert said == f"6 sentences: {captions}\n"
    run(
        *("prepare", "-d", "104", "-n", "Polyps", "--images", folder / "images", "--cues", captions),
        *("--classes", "polyp", "--output", folder / "raw"),
    )
    cues = read_cues(folder / "raw" / "Dataset104_Polyps" / "cues.json")
    assert {case: cue.text for case, cue in cues.cues.items()} == table(captions)
    for number in range(6):
        mask = np.asarray(Image.open(folder / "masks" / f"c{number}.png"))
        (found,) = read_sentence(cues.cues[f"c{number}"].text or "", cues.classes, mask.shape)
        assert found.reduced("name") == Statement("polyp", bool(number % 3))
        assert len(found.boxes) == number % 3


def describe(folder: Path, *more: str) -> dict[str, str]:
    assert main(["describe", str(folder / "masks"), "-o", str(folder / "out.csv"), *more]) == 0
    return table(folder / "out.csv")


def test_a_seed_chooses_the_phrasings_and_a_level_the_detail(folder: Path) -> None:
    first = describe(folder, "--classes", "polyp")
    assert first == describe(folder, "--classes", "polyp", "--seed", "0")
    assert first != describe(folder, "--classes", "polyp", "--seed", "1")
    assert not any(
        re.search("[0-9]", text) for text in describe(folder, "--classes", "polyp", "--detail", "place").values()
    )
    names = describe(folder, "--classes", "polyp", "--detail", "name").values()
    assert all(not read_sentence(text, ["polyp"], (48, 64))[0].places for text in names)


def test_classes_come_from_the_data_set(folder: Path) -> None:
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "ulcer": 1}}', encoding="utf-8")
    assert all("ulcer" in text.lower() for text in describe(folder).values())


def test_images_under_nnunets_names(folder: Path) -> None:
    for path in list((folder / "images").iterdir()):
        path.rename(path.with_name(f"{path.stem}_0000.png"))
    assert len(describe(folder, "--classes", "polyp", "--images", str(folder / "images"))) == 6


def test_masks_that_are_ignored_are_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((48, 64), 2, np.uint8)).save(folder / "masks" / "c0.png")
    assert sorted(describe(folder, "--classes", "polyp")) == ["c1", "c2", "c3", "c4", "c5"]
    assert "left out, as nothing but ignored pixels is known of them: 1 masks" in capsys.readouterr().out


def test_mistakes_are_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks, out = str(folder / "masks"), str(folder / "out.csv")
    mistakes = [
        ([masks, "-o", out], "there is no dataset.json beside it; name the classes with --classes"),
        ([masks, "-o", out, "--classes", "polyp", "polyp"], "--classes: class 'polyp' is listed twice"),
        ([str(folder / "none"), "-o", out, "--classes", "polyp"], "there is no such folder; correct the path"),
        ([masks, "-o", str(folder / "no" / "out.csv"), "--classes", "polyp"], "there is no such folder; make it"),
        ([masks, "-o", out, "--classes", "polyp", "--seed", "-1"], "--seed is -1 but must not be negative"),
        ([masks, "-o", out, "--classes", "polyp", "--images", str(folder)], "no image in this folder"),
        ([masks, "-o", out, "--classes", "polyp", "--mask-values", "0=polip"], "unknown class 'polip'"),
    ]
    for words, message in mistakes:
        assert main(["describe", *words]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(folder / "images" / "c3.png")
    capsys.readouterr()
    assert main(["describe", masks, "-o", out, "--classes", "polyp", "--images", str(folder / "images")]) == 2
    assert "case 'c3': the image is 10 x 10 pixels but its mask 64 x 48; make the mask" in capsys.readouterr().err
    assert not Path(out).exists()
    assert not list(folder.glob(".out*"))
