"""A trained network masks the finding that its prompt points at."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny_dataset as tiny
import torch
from in_process import train
from PIL import Image

from cuescan.data.captions import caption

SIDE, RADIUS, CASES = 48, 6, 160
CORNERS = {"upper left": (12, 12), "upper right": (12, 36), "lower left": (36, 12), "lower right": (36, 36)}


def discs(generator: np.random.Generator, corners: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """An image with a dark disc near each corner, and its mask."""
    image, mask = generator.normal(150, 10, (SIDE, SIDE, 3)), np.zeros((SIDE, SIDE), np.uint8)
    rows, columns = np.indices((SIDE, SIDE))
    for corner in corners:
        row, column = CORNERS[corner] + generator.integers(-2, 3, 2)
        mask[(rows - row) ** 2 + (columns - column) ** 2 <= RADIUS**2] = 1
    image[mask == 1] -= 70
    return np.clip(image, 0, 255).astype(np.uint8), mask


@pytest.fixture(scope="module")
def planned(workplace):
    """Data set 8: one or two discs, with the sentences that `cuescan describe` would write."""
    folder = workplace.raw / "Dataset008_Discs"
    generator, cues = np.random.default_rng(0), {}
    for index in range(CASES):
        corners = list(generator.choice(list(CORNERS), 1 + index % 2, replace=False))
        image, mask = discs(generator, corners)
        case = f"case_{index:03d}"
        tiny.save(folder / "imagesTr" / f"{case}_0000.png", image)
        tiny.save(folder / "labelsTr" / f"{case}.png", np.full_like(mask, 2))
        cues[case] = {"text": caption(mask, ("disc",), generator)}
    tiny.write(folder / "cues.json", {"version": 1, "classes": ["disc"], "background": True, "cues": cues})
    names = sorted(cues)
    folds = [{"train": [c for c in names if c not in names[f::12]], "val": names[f::12]} for f in range(5)]
    tiny.write(folder / "splits_final.json", folds)
    tiny.write(
        folder / "dataset.json",
        {
            "channel_names": {str(c): "rgb_to_0_1" for c in range(3)},
            "labels": {"background": 0, "disc": 1, "ignore": 2},
            "numTraining": CASES,
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        },
    )
    workplace.run("cuescan", "plan", "-d", "8")


def test_the_place_in_the_prompt_moves_the_mask(planned, active, encoder, monkeypatch, tmp_path):
    settings = {"ENCODER": str(encoder), "EPOCHS": "14", "BATCH_SIZE": "8", "LR": "3e-3", "VALIDATION_CASES": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"CUESCAN_{name}", value)
    torch.manual_seed(0)
    train(number=8, trainer_name="TIFCMambaTrainer")

    generator = np.random.default_rng(1)
    images, prompts = tmp_path / "images", {}
    pairs = [("upper left", "lower right"), ("lower left", "upper right"), ("upper left", "upper right")]
    masks = {}
    for number, pair in enumerate(pairs):
        image, _ = discs(generator, list(pair))
        for corner in pair:  # the same image, twice
            tiny.save(images / f"{number}{corner.replace(' ', '')}_0000.png", image)
            prompts[f"{number}{corner.replace(' ', '')}"] = f"A disc in the {corner}."
            masks[f"{number}{corner.replace(' ', '')}"] = corner
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    active.run(
        *("cuescan", "predict", "-i", str(images), "-o", str(tmp_path / "out"), "-d", "8", "-f", "0"),
        *("--prompts", str(tmp_path / "prompts.json"), "-device", "cpu"),
        nnUNet_results=str(tmp_path / "results"),
        CUESCAN_ENCODER=str(encoder),
    )
    for case, corner in masks.items():
        mask = np.array(Image.open(tmp_path / "out" / f"{case}.png")) > 0
        row, column = CORNERS[corner]
        rows, columns = (slice(24 * (c > 24), 24 * (c > 24) + 24) for c in (row, column))
        assert mask.sum() > 30, (case, mask.sum())
        assert mask[rows, columns].sum() > 0.8 * mask.sum(), case
