"""Synthetic tissue that looks roughly like H&E, with masks and image-level labels, for the demo and the tests.

Four tissues, told apart by structure as much as by colour: dense tumour (crowded large nuclei), stroma (wavy pink
fibres, few thin nuclei), fat (white droplets between membranes) and necrosis (pale debris). Each image holds one to
four of them in smooth random regions, under a stain that varies from image to image.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from cuescan.data.synthetic_folder import Drawn, write_folder

CLASSES = ("tumour", "stroma", "fat", "necrosis")
LEAST_SHARE = 0.05

_HAEMATOXYLIN = np.array([0.68, 0.70, 0.31])  # optical density in R, G, B per unit of stain, as slides look on a screen
_EOSIN = np.array([0.16, 0.86, 0.40])
_FINE = 3  # nuclei are drawn this much larger and then reduced

Stains = tuple[np.ndarray, np.ndarray]
"""Amounts of haematoxylin and eosin, each (H, W), of about 0 ... 1."""


def smooth_noise(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    """Gaussian noise of a length scale in pixels, zero mean, unit deviation; it repeats at the borders."""
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)
    window = np.exp(-2 * (np.pi * scale) ** 2 * (rows**2 + columns**2))
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * window, (size, size))
    return (field - field.mean()) / max(float(field.std()), 1e-12)


def _nuclei(rng: np.random.Generator, size: int, spacing: float, radius: float, stretch: float) -> np.ndarray:
    """Ellipses on a jittered grid, 0 ... 1, with uneven chromatin.

    Args:
        rng: source of randomness.
        size: side of the image.
        spacing: mean distance of neighbours in pixels.
        radius: mean short half axis in pixels.
        stretch: long over short axis.
    """
    steps = np.arange(-spacing, size + spacing, spacing)
    centres = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    centres = centres + rng.uniform(-0.45, 0.45, centres.shape) * spacing
    count = len(centres)
    short = radius * rng.uniform(0.7, 1.3, (count, 1))
    angle, around = rng.uniform(0, np.pi, (count, 1)), np.linspace(0, 2 * np.pi, 16, endpoint=False)
    u, v = short * stretch * np.cos(around), short * np.sin(around)
    x = centres[:, :1] + u * np.cos(angle) - v * np.sin(angle)
    y = centres[:, 1:] + u * np.sin(angle) + v * np.cos(angle)
    canvas = Image.new("L", (_FINE * size, _FINE * size))
    draw = ImageDraw.Draw(canvas)
    outlines = (_FINE * np.stack([x, y], -1)).reshape(count, -1).tolist()
    for outline, darkness in zip(outlines, rng.integers(165, 256, count).tolist(), strict=True):
        draw.polygon(outline, fill=darkness)
    nuclei = np.asarray(canvas.reduce(_FINE)) / 255.0
    return nuclei * (0.85 + 0.15 * smooth_noise(rng, size, 0.8))


def _tumour(rng: np.random.Generator, size: int) -> Stains:
    nuclei = _nuclei(rng, size, spacing=rng.uniform(9, 11), radius=3.1, stretch=1.25)
    cytoplasm = 0.32 + 0.06 * smooth_noise(rng, size, 3)
    return 0.13 + 0.75 * nuclei, cytoplasm * (1 - 0.5 * nuclei)


def _stroma(rng: np.random.Generator, size: int) -> Stains:
    rows, columns = np.mgrid[:size, :size]
    angle = rng.uniform(0, np.pi)
    along = columns * np.cos(angle) + rows * np.sin(angle) + 7 * smooth_noise(rng, size, 14)
    fibres = np.sin(2 * np.pi * along / rng.uniform(7, 11) + 0.8 * smooth_noise(rng, size, 3))
    nuclei = _nuclei(rng, size, spacing=rng.uniform(21, 28), radius=1.5, stretch=3.2)
    return 0.05 + 0.6 * nuclei, 0.42 + 0.13 * fibres + 0.05 * smooth_noise(rng, size, 1.2)


def _fat(rng: np.random.Generator, size: int) -> Stains:
    spacing = rng.uniform(20, 28)
    steps = np.arange(-spacing, size + 2 * spacing, spacing)
    centres = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    centres = centres + rng.uniform(-0.35, 0.35, centres.shape) * spacing
    rows, columns = np.mgrid[:size, :size]
    distances = np.hypot(columns - centres[:, 0, None, None], rows - centres[:, 1, None, None])
    nearest, second = np.partition(distances, 1, axis=0)[:2]
    membrane = np.clip(1.6 - 0.5 * (second - nearest), 0, 1)
    nuclei = _nuclei(rng, size, spacing=38, radius=1.4, stretch=2.2) * membrane
    return 0.02 + 0.6 * nuclei, 0.03 + 0.3 * membrane


def _necrosis(rng: np.random.Generator, size: int) -> Stains:
    debris = np.clip(smooth_noise(rng, size, 1.1) - 0.9, 0, 1.5)
    ghosts = _nuclei(rng, size, spacing=rng.uniform(11, 15), radius=1.3, stretch=1.2)
    patches = 0.5 + 0.5 * np.tanh(smooth_noise(rng, size, 6))
    return 0.08 + 0.25 * ghosts + 0.12 * debris, 0.26 + 0.14 * patches + 0.1 * debris


_TISSUES: tuple[Callable[[np.random.Generator, int], Stains], ...] = (_tumour, _stroma, _fat, _necrosis)


def _regions(rng: np.random.Generator, size: int, classes: np.ndarray) -> np.ndarray:
    """Smooth regions of the given class indices, each of at least ``LEAST_SHARE`` of the image."""
    while True:
        fields = np.stack([smooth_noise(rng, size, size / rng.uniform(7, 10)) for _ in classes])
        mask = classes[np.argmax(fields, axis=0)]
        if np.bincount(mask.ravel(), minlength=len(CLASSES))[classes].min() > LEAST_SHARE * size * size:
            return mask


def histology_image(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image.

    Returns:
        RGB image, uint8 (size, size, 3), and class indices, uint8 (size, size), 0 ... K - 1.
    """
    count = rng.choice(len(CLASSES), p=(0.2, 0.4, 0.3, 0.1)) + 1
    classes = np.sort(rng.choice(len(CLASSES), count, replace=False))
    mask = _regions(rng, size, classes)
    haematoxylin, eosin = np.zeros((2, size, size))
    for number in classes:
        inside = Image.fromarray((mask == number).astype(np.uint8) * 255)
        weight = np.asarray(inside.filter(ImageFilter.GaussianBlur(0.8))) / 255.0
        stains = _TISSUES[number](rng, size)
        haematoxylin += weight * stains[0]
        eosin += weight * stains[1]
    strength, thickness = rng.uniform(0.8, 1.25, 2), 1 + 0.06 * smooth_noise(rng, size, size / 4)
    density = np.zeros((size, size, 3))
    for amount, colour, factor in ((haematoxylin, _HAEMATOXYLIN, strength[0]), (eosin, _EOSIN, strength[1])):
        vector = np.clip(colour + rng.normal(0, 0.04, 3), 0.02, None)
        density += 1.5 * factor * np.clip(amount * thickness, 0, None)[..., None] * vector
    light = 245 * np.exp(-density) * rng.uniform(0.95, 1.02, 3) + rng.normal(0, 3, density.shape)
    return np.clip(light, 0, 255).astype(np.uint8), mask.astype(np.uint8)


def make_histology(output_folder: Path | str, cases: int, size: int = 128, seed: int = 0) -> Path:
    """Write ``images/*.png``, ``masks/*.png`` (class i is i + 1) and ``labels.csv`` (image, one column per class).

    The same seed gives the same files; case n does not depend on how many cases are made.

    Args:
        output_folder: is made if it is not there.
        cases: number of images.
        size: side of the images in pixels, at least 32.
        seed: of the data set.

    Returns:
        The folder.
    """

    def draw(rng: np.random.Generator) -> Drawn:
        image, mask = histology_image(rng, size)
        return image, mask + 1, [int((mask == index).any()) for index in range(len(CLASSES))]

    return write_folder(output_folder, cases, seed, "tissue", "labels.csv", CLASSES, draw)
