"""What a sentence states of place follows its image through nnU-Net's crop, turns and padding."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import make_trainer
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
from PIL import Image
from tiny_sentences import NAME
from torch.utils.data import default_collate

from cuescan.cues import Cue, Cues
from cuescan.cues.language import Turn
from cuescan.nnunet.images import WholeImages
from cuescan.training.augmentation import Augmentation, turned
from cuescan.training.case_sentences import CaseSentences
from cuescan.training.placement import on_patch, stated_places
from cuescan.training.sentence_supervision import stated, unit_images

TURNS = [Turn(*(bool(number & bit) for bit in (1, 2, 4))) for number in range(8)]


class Cropped:
    """Stands for nnU-Net's data set: one raw image (C, H, W), cropped as nnU-Net crops."""

    def __init__(self, raw: np.ndarray):
        self.image, _, box = crop_to_nonzero(raw[:, None].astype(np.float32))
        self.properties = {"shape_before_cropping": (1, *raw.shape[1:]), "bbox_used_for_cropping": box}

    def load_case(self, case):
        return self.image, None, None, self.properties


def shown(raw: np.ndarray, region: np.ndarray, text: str, turn: Turn, more: tuple[int, int]):
    """A training item of an image in which ``region`` is marked, and the places (R, 6) stated on its patch."""
    source = Cropped(np.stack([raw, raw * region]))
    size = turn.shape(source.image.shape[2:])
    patch = (size[0] + more[0], size[1] + more[1])
    images = WholeImages(source, ["a"], patch, 0, lambda image, *_: (turned(image, turn), turn), [True], [True])
    batch = default_collate([images[0, 0, 0]])
    sentences = CaseSentences(Cues(("square",), cues={"a": Cue(text=text)}))
    _, statements, kept = stated(sentences, batch)
    demanded, told = on_patch(stated_places(statements, kept), batch["valid"])
    return batch["data"][0, 1].numpy() > 0, batch["valid"], demanded[0, 0].numpy(), told[0, 0].numpy()


def edges_of(mask: np.ndarray) -> list[float]:
    """Left, top, right, bottom of what is set, in shares of the sides."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    height, width = mask.shape
    return [columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height]


spans = st.tuples(st.integers(2, 12), st.integers(1, 12), st.integers(2, 12))
margins = st.tuples(st.integers(0, 9), st.integers(0, 9))


@settings(max_examples=60)
@given(spans, spans, margins, margins, st.sampled_from(TURNS), st.tuples(st.integers(0, 7), st.integers(0, 7)))
def test_a_stated_box_is_the_turned_masks_own_box(across, down, black_columns, black_rows, turn, more):
    content = np.ones((sum(down), sum(across)))
    region = np.zeros(content.shape)
    region[down[0] : down[0] + down[1], across[0] : across[0] + across[1]] = 1
    raw, region = (np.pad(x, (black_rows, black_columns)) for x in (content, region))
    left, top = black_columns[0] + across[0], black_rows[0] + down[0]
    box = (left, top, left + across[1], top + down[1])
    text = f"One square, box {box}, covering {100 * region.mean():.6f}% of the image."
    mask, valid, demanded, told = shown(raw, region, text, turn, more)
    assert mask.sum() == region.sum()
    assert demanded[0, :4] == pytest.approx(edges_of(mask), abs=1e-5) and demanded[0, 4] == 1
    assert np.array_equal(demanded[0, :5], told[0, :5]) and np.isnan(demanded[1:]).all()
    assert demanded[0, 5] == pytest.approx(mask.sum() / float(valid.sum()), rel=1e-3)
    assert told[0, 5] == pytest.approx(mask.mean(), rel=1e-3)


@settings(max_examples=40)
@given(
    st.sampled_from(["upper left quadrant", "right half", "lower right quadrant", "upper half"]),
    margins, margins, st.sampled_from(TURNS), st.tuples(st.integers(0, 7), st.integers(0, 7)),
)  # fmt: skip
def test_a_stated_place_is_the_turned_place(place, black_columns, black_rows, turn, more):
    content = np.ones((24 - sum(black_rows), 32 - sum(black_columns)))
    raw = np.pad(content, (black_rows, black_columns))
    region = np.zeros((24, 32))
    rows = slice(12) if "upper" in place else slice(12, 24) if "lower" in place else slice(24)
    columns = slice(16) if "left" in place else slice(16, 32) if "right" in place else slice(32)
    region[rows, columns] = 1
    mask, valid, demanded, told = shown(raw, region, f"One square in the {place}.", turn, more)
    frame = edges_of(valid[0, 0].numpy())
    clipped = [*np.maximum(told[0, :2], frame[:2]), *np.minimum(told[0, 2:4], frame[2:])]  # what the crop left of it
    assert clipped == pytest.approx(edges_of(mask), abs=1e-5)
    assert told[0, 4] == 0 and math.isnan(told[0, 5]) and np.array_equal(told, demanded, equal_nan=True)


def test_augmentation_says_how_it_turned():
    image = np.zeros((1, 40, 32), np.float32)
    image[:, 4:14, 3:9] = 1
    seen = set()
    for seed in range(60):
        changed, turn = Augmentation((48, 48), False, 0)(image, np.random.default_rng(seed), True, True)
        threshold = (changed.min() + changed.max()) / 2
        assert edges_of(changed[0] > threshold) == edges_of(turned(image, turn)[0] > 0)
        seen.add(turn)
    assert len(seen) == 8


def test_turned_images_and_statements_agree_in_a_real_training(sentences, monkeypatch):
    """The box that is stated of every turned image is that of its label map, turned alike."""
    trainer = make_trainer(number=5, trainer_name="TIFCMambaTrainer")
    trainer.on_train_start()
    assert all(trainer.may_turn(case) for case in trainer.training_cases)
    seen, turns = set(), set()
    for _ in range(8):
        batch = next(trainer.dataloader_train)
        _, statements, kept = stated(trainer.sentences, batch)
        demanded, _ = on_patch(stated_places(statements, kept), batch["valid"])
        for i, case in enumerate(batch["keys"]):
            labels = np.array(Image.open(sentences.raw / NAME / "labelsTr" / f"{case}.png"))
            left, top, right, bottom = (batch["crop"][i] * torch.tensor(labels.shape[::-1]).repeat(2)).round().int()
            placed = np.zeros(batch["valid"].shape[2:])
            placed[batch["valid"][i, 0].numpy()] = turned(
                labels[None, top:bottom, left:right], Turn(*batch["turn"][i].tolist())
            ).ravel()
            for number in range(2):
                row = demanded[i, number, 0].numpy()
                if (placed == number + 1).any() and not np.isnan(row).any():
                    assert row[:4] == pytest.approx(edges_of(placed == number + 1), abs=1e-5)
                    seen.add(case)
            turns.add(tuple(batch["turn"][i].tolist()))
    cues = json.loads((sentences.raw / NAME / "cues.json").read_text())["cues"]
    assert seen == {case for case in trainer.training_cases if "box" in cues[case].get("text", "")}
    assert len(turns) >= 4


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_the_encoder_sees_grey_or_rgb_between_0_and_1(channels):
    images = 7 * torch.randn(2, channels, 8, 8) + 3
    valid = torch.ones(2, 1, 8, 8, dtype=torch.bool)
    valid[..., 6:] = False
    images[..., 6:] = 1000
    seen = unit_images(images, valid, False)
    assert seen.shape[1] == (channels if channels in (1, 3) else 1)
    inside = seen[..., :6].flatten(1)
    assert (inside.amin(1) == 0).all() and inside.amax(1).tolist() == pytest.approx([1, 1]) and seen.max() <= 1
    assert torch.equal(unit_images(images[:, :1], valid, True), images[:, :1])
