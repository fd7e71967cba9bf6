"""Synthetic pictures of one lesion each, with sentences that are true of them."""

from __future__ import annotations

import numpy as np

PLACES = {
    "upper left": (0.27, 0.27),
    "upper right": (0.27, 0.73),
    "lower left": (0.73, 0.27),
    "lower right": (0.73, 0.73),
}
COLOURS = {"red": (0.75, 0.18, 0.15), "pale": (0.92, 0.82, 0.72)}
PHRASES = (
    "One {colour} polyp, {place}.",
    "A {colour} polyp in the {place} of the image.",
    "There is a {colour} lesion at the {place}.",
    "Endoscopy shows a polyp, {colour}, located {place}.",
)
SIDE = 120


def _smooth(rng: np.random.Generator, scale: float) -> np.ndarray:
    rows, columns = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)
    window = np.exp(-2 * (np.pi * scale) ** 2 * (rows**2 + columns**2))
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * window, (SIDE, SIDE))
    return field / field.std()


def picture(rng: np.random.Generator) -> tuple[np.ndarray, str, str]:
    """An image (3, SIDE, SIDE) in [0, 1], the place and the colour of its lesion."""
    place, colour = str(rng.choice(list(PLACES))), str(rng.choice(list(COLOURS)))
    wall = np.array([0.72, 0.45, 0.38]) + rng.normal(0, 0.06, 3)
    image = wall[:, None, None] + 0.07 * _smooth(rng, 9)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    row, column = np.array(PLACES[place]) + rng.uniform(-0.11, 0.11, 2)
    distance = np.hypot(y - row, x - column) / rng.uniform(0.07, 0.15)
    lesion = np.clip((1.1 - distance) / 0.2, 0, 1)
    paint = np.array(COLOURS[colour]) + rng.normal(0, 0.05, 3)
    image = image * (1 - lesion) + lesion * (paint[:, None, None] + 0.05 * _smooth(rng, 3))
    for row, column in rng.uniform(0, 1, (4, 2)):  # reflections
        image = image + 0.5 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 0.008**2))
    image = image + 0.02 * rng.standard_normal(image.shape)
    return np.clip(image, 0, 1).astype(np.float32), place, colour


def pairs(count: int, seed: int) -> tuple[list[np.ndarray], list[str], list[str], list[str]]:
    """Images, sentences, places and colours."""
    rng = np.random.default_rng(seed)
    images, places, colours = zip(*(picture(rng) for _ in range(count)), strict=True)
    texts = [str(rng.choice(PHRASES)).format(place=p, colour=c) for p, c in zip(places, colours, strict=True)]
    return list(images), texts, list(places), list(colours)
