"""A tiny data set: dark squares (class a) and bright stripes (class b) on grey, made from a seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("square", "stripe")
IGNORE = len(CLASSES) + 1
SENTENCE = "Zq7 patient Wilhelmina has one dark square, upper left."


def draw(generator: np.random.Generator, size: tuple[int, int], square: bool, stripe: bool):
    """Return an RGB image (H, W, 3) and its mask."""
    image = generator.normal(128, 12, (*size, 3))
    mask = np.zeros(size, np.uint8)
    if square:
        top, left = (int(generator.integers(2, side - 22)) for side in size)
        mask[top : top + 18, left : left + 18] = 1
    if stripe:
        top = int(generator.integers(2, size[0] - 10))
        mask[top : top + 8] = 2
    image[mask == 1] -= 80
    image[mask == 2] += 80
    return np.clip(image, 0, 255).astype(np.uint8), mask


def make_raw(root: Path, number: int = 1, cases: int = 10, masks: bool = True, sizes=((48, 48),)) -> Path:
    """Write a raw data set and return its folder; half the training cases are in the validation of fold 0."""
    folder = root / f"Dataset{number:03d}_Tiny"
    generator = np.random.default_rng(number)
    cues = {}
    for index in range(cases):
        square, stripe = index % 2 == 0, index % 3 == 0
        image, mask = draw(generator, sizes[index % len(sizes)], square, stripe)
        case = f"case_{index:03d}"
        cues[case] = {"labels": {"square": int(square), "stripe": int(stripe)}}
        save(folder / "imagesTr" / f"{case}_0000.png", image)
        save(folder / "labelsTr" / f"{case}.png", mask if masks else np.full_like(mask, IGNORE))
    cues["case_000"]["labels"]["stripe"] = None
    write(folder / "cues.json", {"version": 1, "classes": list(CLASSES), "background": True, "cues": cues})
    names = sorted(cues)
    folds = [{"train": [c for c in names if c not in names[f::5]], "val": names[f::5]} for f in range(5)]
    write(folder / "splits_final.json", folds)
    write(
        folder / "dataset.json",
        {
            "channel_names": {str(c): "rgb_to_0_1" for c in range(3)},
            "labels": {"background": 0, **{name: i + 1 for i, name in enumerate(CLASSES)}, "ignore": IGNORE},
            "numTraining": cases,
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        },
    )
    return folder


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def write(path: Path, content) -> None:
    path.write_text(json.dumps(content))
