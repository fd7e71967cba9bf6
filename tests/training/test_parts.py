"""Labels of parts follow their image through preprocessing, turning and padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuescan.cues import Cue, Cues, Part
from cuescan.cues.language import Turn
from cuescan.errors import UserError
from cuescan.nnunet.images import WholeImages
from cuescan.training.augmentation import Augmentation, turned
from cuescan.training.parts import CaseParts, check_boxes, turned_boxes

HEIGHT, WIDTH = 12, 20
sides = st.integers(0, 9).flatmap(lambda low: st.tuples(st.just(low), st.integers(low + 1, 12)))


def drawn(box, shape=(HEIGHT, WIDTH)) -> np.ndarray:
    top, left, bottom, right = (round(float(side)) for side in box)
    image = np.zeros((1, *shape), np.float32)
    image[:, top:bottom, left:right] = 1
    return image


@given(sides, sides, st.booleans(), st.booleans(), st.booleans())
def test_boxes_are_turned_as_images_are(rows, columns, transpose, flip_rows, flip_columns):
    box = np.array([rows[0], columns[0], rows[1], columns[1]])
    turn = Turn(transpose=transpose, flip_rows=flip_rows, flip_columns=flip_columns)
    image = turned(drawn(box), turn)
    (moved,) = turned_boxes(box[None], turn, (HEIGHT, WIDTH))
    assert np.array_equal(drawn(moved, image.shape[1:]), image)


class Cropped:
    """Stands for nnU-Net's data set: an image of which preprocessing cut two rows and three columns."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    def load_case(self, case: str):
        box = [[0, 1], [2, HEIGHT], [3, WIDTH]]
        facts = {"shape_before_cropping": (1, HEIGHT, WIDTH), "bbox_used_for_cropping": box}
        part = self.image[:, None, 2:, 3:]
        return part, part.astype(int), None, facts


def cues_of(*boxes: tuple[int, int, int, int]) -> Cues:
    parts = tuple(Part(box, {"a": 1}) for box in boxes)
    return Cues(("a", "b"), cues={"x": Cue(parts=parts), "y": Cue({"a": 0, "b": None})})


@pytest.mark.parametrize("position", range(8))
def test_a_part_covers_the_same_pixels_after_everything_and_masks_follow(position):
    box = (3, 5, 9, 11)
    augmentation = Augmentation((24, 24), False, 0.0)
    parts = CaseParts(cues_of(box, (0, 0, 4, 4)), ["x", "y"])
    images = WholeImages(
        Cropped(drawn(box)), ["x"], (24, 24), 0, augmentation, [True], [False], masks=True, parts=parts
    )
    item = images[0, position, 0]
    found = drawn(item["boxes"][0].numpy(), (24, 24))[0] == 1
    assert np.array_equal(found, item["target"][0].numpy() == 1)
    assert item["data"][0].numpy()[found].mean() > item["data"][0].numpy()[~found].max()
    np.testing.assert_array_equal(item["box_labels"][0].numpy(), np.array([1, np.nan], np.float32))
    assert item["boxes"].shape == (2, 4)


def test_a_case_without_parts_is_one_as_a_whole():
    images = WholeImages(Cropped(drawn((0, 0, 1, 1))), ["y"], (24, 24), parts=CaseParts(cues_of((0, 0, 1, 1)), "xy"))
    item = images[0, 0, 0]
    assert item["boxes"].tolist() == [[7, 3, 17, 20]] and item["box_labels"][0, 0] == 0


def test_a_part_beyond_the_image_is_refused():
    size, path = (HEIGHT, WIDTH), Path("cues.json")
    check_boxes(cues_of((0, 0, *size)), "x", size, path)
    check_boxes(cues_of(), "y", size, path)
    with pytest.raises(
        UserError, match=r"cues\.json: case 'x': a part reaches beyond the image, which has 12 rows and 20 columns"
    ):
        check_boxes(cues_of((0, 0, 4, 4), (0, 0, 4, WIDTH + 1)), "x", size, path)


@pytest.mark.parametrize("position", range(12))
def test_windows_show_what_the_boxes_say_and_only_that(position):
    inside, across = (4, 8, 9, 12), (2, 3, 12, 20)
    parts = CaseParts(
        Cues(("a", "b"), cues={"x": Cue(parts=(Part(inside, {"a": 1, "b": 0}), Part(across, {"a": 1, "b": 0})))}), ["x"]
    )
    augmentation = Augmentation((8, 8), False, 0.0)
    images = WholeImages(
        Cropped(drawn(inside)), ["x"], (24, 24), 0, augmentation, [True], [False], masks=True, parts=parts, window=8
    )
    item = images[0, position, 0]
    assert item["data"].shape == (1, 8, 8) and item["valid"].all()
    seen = drawn(item["boxes"][0].numpy(), (8, 8))[0] == 1
    assert np.array_equal(seen, item["target"][0].numpy() == 1)
    whole, none = seen.sum() == 20, not seen.any()
    expected = [1, 0] if whole else [np.nan] * 2 if none else [np.nan, 0]
    np.testing.assert_array_equal(item["box_labels"][0].numpy(), np.array(expected, np.float32))
    np.testing.assert_array_equal(item["box_labels"][1].numpy(), np.array([np.nan, 0], np.float32))


def test_windows_differ_and_an_image_smaller_than_the_window_is_seen_whole():
    images = WholeImages(Cropped(drawn((4, 8, 9, 12))), ["x"], (24, 24), masks=True, window=8)
    assert len({images[0, position, 0]["target"].numpy().tobytes() for position in range(8)}) > 2
    large = WholeImages(Cropped(drawn((4, 8, 9, 12))), ["x"], (24, 24), masks=True, window=400)[0, 0, 0]
    assert large["data"].shape == (1, 24, 24) and int(large["valid"].sum()) == (HEIGHT - 2) * (WIDTH - 3)
