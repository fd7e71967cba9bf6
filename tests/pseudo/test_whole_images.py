"""``--images``: whole images of which the training cases are crops."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_dataset as tiny
from weak_folds import masks_of

from cuescan.data.crops import crop_corner, crop_starts

SIZE, HEIGHT, WIDTH = 48, 60, 100


@pytest.fixture
def slides(place, tmp_path):
    """Five images, the data set's cases crops of them, each image in validation of one fold; a sixth has no crops."""
    folder, splits = tmp_path / "slides", []
    shutil.rmtree(place.source / "imagesTr")
    shutil.rmtree(place.source / "labelsTr")
    generator, cues = np.random.default_rng(0), {}
    for number in range(6):
        image, mask = tiny.draw(generator, (HEIGHT, WIDTH), number % 2 == 0, number < 3)
        tiny.save(folder / f"slide_{number}.png", image)
        for top in crop_starts(HEIGHT, SIZE, 24) if number < 5 else ():
            for left in crop_starts(WIDTH, SIZE, 24):
                case = f"slide_{number}_y{top:04d}_x{left:04d}"
                part = mask[top : top + SIZE, left : left + SIZE]
                labels = {name: int((part == value).any()) for value, name in enumerate(tiny.CLASSES, start=1)}
                if number == 3 and top:
                    labels["stripe"] = None
                cues[case] = {"labels": labels}
                tiny.save(place.source / "imagesTr" / f"{case}_0000.png", image[top : top + SIZE, left : left + SIZE])
    for fold in range(5):
        held = [case for case in cues if case.startswith(f"slide_{fold}_")]
        splits.append({"train": [case for case in cues if case not in held], "val": held})
    document = {"version": 1, "classes": list(tiny.CLASSES), "background": True, "cues": cues}
    for path in (place.source, place.splits.parent):
        tiny.write(path / "cues.json", document)
        tiny.write(path / "splits_final.json", splits)
    return folder


def test_images_are_labelled_by_folds_that_saw_none_of_their_crops(label, slides):
    folder, record = label("--images", str(slides))
    masks = masks_of(folder / "labelsTr")
    assert sorted(masks) == [f"slide_{number}" for number in range(5)], "slide_5 has no crops"
    assert all(mask.shape == (HEIGHT, WIDTH) for mask in masks.values())
    assert record["labelled_by_folds"] == {f"slide_{number}": [number] for number in range(5)}
    assert json.loads((folder / "splits_final.json").read_text()) == [
        {"train": [f"slide_{other}" for other in range(5) if other != fold], "val": [f"slide_{fold}"]}
        for fold in range(5)
    ]
    assert record["settings"]["whole_images"] is True


def test_a_class_is_present_if_any_crop_has_it_and_absent_if_all_deny_it(label, slides):
    folder, _ = label("--images", str(slides), "--keep", "1")
    cues = json.loads((folder / "cues.json").read_text())["cues"]
    assert cues["slide_0"]["labels"] == {"square": 1, "stripe": 1}
    assert cues["slide_1"]["labels"] == {"square": 0, "stripe": 1}
    assert cues["slide_3"]["labels"] == {"square": 0, "stripe": None}
    assert cues["slide_4"]["labels"] == {"square": 1, "stripe": 0}
    assert not (masks_of(folder / "labelsTr")["slide_1"] == 1).any()


def test_what_a_crop_denies_is_labelled_nowhere_in_it(label, slides, place):
    folder, _ = label("--images", str(slides), "--keep", "1")
    cues = json.loads((place.source / "cues.json").read_text())["cues"]
    masks, seen = masks_of(folder / "labelsTr"), 0
    for case, cue in cues.items():
        name, top, left = crop_corner(case)
        shown = set(np.unique(masks[name][top : top + SIZE, left : left + SIZE]).tolist())
        denied = {value for value, each in enumerate(tiny.CLASSES, start=1) if cue["labels"][each] == 0}
        assert not denied & shown
        seen += len(denied)
    assert seen > 5


def test_an_image_with_a_crop_in_every_training_is_refused(refused, slides, place):
    splits = json.loads(place.splits.read_text())
    moved = splits[2]["val"].pop()
    splits[2]["train"].append(moved)
    for path in (place.source, place.splits.parent):
        tiny.write(path / "splits_final.json", splits)
    assert "case 'slide_2' was trained on by every fold of the model" in refused("--images", str(slides))


def test_a_missing_image_is_named(refused, slides):
    (slides / "slide_4.png").unlink()
    assert refused("--images", str(slides)) == (
        f"{slides}: no image 'slide_4', which crops were cut from; add it, or correct --images"
    )


def test_an_image_of_another_size_is_refused(refused, slides):
    image, _ = tiny.draw(np.random.default_rng(0), (50, 100), True, True)
    tiny.save(slides / "slide_4.png", image)
    message = refused("--images", str(slides))
    assert "slide_4.png: 100 x 50 pixels, but crop 'slide_4_y0012_x0000' reaches beyond that" in message


def test_colour_images_of_gray_crops_are_refused(refused, slides, place):
    for path in (place.source / "imagesTr").iterdir():
        tiny.save(path, np.zeros((SIZE, SIZE), np.uint8))
    assert "has 1 channel but the model takes 3" in refused("--images", str(slides))
    tiny.save(slides / "slide_4.png", np.zeros((HEIGHT, WIDTH), np.uint16))


def test_cases_that_are_no_crops_are_refused(refused, place):
    message = refused("--images", str(place.source / "imagesTr"))
    assert "case 'case_000' is not named as a crop (IMAGE_y0056_x0112); leave --images away" in message


@pytest.mark.parametrize(
    ("case", "corner"),
    [
        ("a_y0056_x0112", ("a", 56, 112)),
        ("a_y1_x2_y0000_x12345", ("a_y1_x2", 0, 12345)),
        ("a_y0_x0", None),
        ("a", None),
    ],
)
def test_names_of_crops(case, corner):
    assert crop_corner(case) == corner


def test_crops_stay_in_the_cues_as_labelled_parts(label, slides, place):
    folder, _ = label("--images", str(slides))
    told = json.loads((place.source / "cues.json").read_text())["cues"]
    found = json.loads((folder / "cues.json").read_text())["cues"]
    for image, cue in found.items():
        for part in cue["parts"]:
            top, left, bottom, right = part["box"]
            assert part["labels"] == told[f"{image}_y{top:04d}_x{left:04d}"]["labels"]
            assert (bottom - top, right - left) == (SIZE, SIZE)
    assert sum(len(cue["parts"]) for cue in found.values()) == len(told)


def test_parts_that_cues_label_deny_pixels_and_are_kept(label, place):
    """No crops here: the training cases themselves have labelled parts."""
    cues = json.loads((place.source / "cues.json").read_text())
    parts = [
        {"box": [0, 0, SIZE, 24], "labels": {"square": 0, "stripe": 0}},
        {"box": [0, 0, SIZE, SIZE], "labels": {"square": 1}},
    ]
    cues["cues"]["case_001"]["labels"] = {"square": 1, "stripe": None}
    cues["cues"]["case_001"]["parts"] = parts
    for path in (place.source, place.splits.parent):
        tiny.write(path / "cues.json", cues)
    folder, _ = label("--keep", "1")
    mask = masks_of(folder / "labelsTr")["case_001"]
    assert (mask[:, :24] == 0).all(), "both classes are denied in the left half"
    found = json.loads((folder / "cues.json").read_text())["cues"]["case_001"]["parts"]
    assert found[0] == parts[0] and found[1]["labels"]["square"] == 1
