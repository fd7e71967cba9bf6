"""Synthetic colonoscopy with polyps, masks and a sentence per image, for the demo and the tests.

A tube of wet mucosa is modelled as a height map: folds around a dark lumen, fine bumps, and polyps as domes with
irregular outlines. One lamp beside the camera shades all of it, so folds and polyps are bright, dark and glittering in
the same ways, and no colour threshold tells them apart. A tenth of the images holds no polyp, a quarter holds two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from cuescan.data.synthetic import smooth_noise
from cuescan.data.synthetic_folder import Drawn, write_folder

CLASSES = ("polyp",)
PLACES = (
    ("upper left", "top centre", "upper right"),
    ("middle left", "centre", "middle right"),
    ("lower left", "bottom centre", "lower right"),
)  # of a polyp's centre, by thirds of the image
COUNTS = (0.1, 0.6, 0.25, 0.05)  # shares of images with 0, 1, 2 and 3 polyps

_MUCOSA = np.array([[0.86, 0.52, 0.47], [0.84, 0.50, 0.34], [0.72, 0.44, 0.42]])  # albedo: pink, orange, brownish
_TINTS = {"red": np.array([1.08, 0.72, 0.74]), "pale": np.array([1.20, 1.30, 1.26]), "": np.array([1.08, 1.02, 1.02])}
_SMALL, _LARGE = 0.03, 0.07  # shares of the image below and above which a polyp is called small and large


@dataclass(frozen=True)
class Lesion:
    """One polyp.

    Attributes:
        mask: bool (H, W), where it is seen.
        height: float (H, W), its dome in pixels.
        colour: "red", "pale", or "" where it is like the mucosa.
    """

    mask: np.ndarray
    height: np.ndarray
    colour: str

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the centre as shares of height and width."""
        rows, columns = np.nonzero(self.mask)
        return (rows.mean() + 0.5) / self.mask.shape[0], (columns.mean() + 0.5) / self.mask.shape[1]

    @property
    def place(self) -> str:
        """The word for the ninth of the image that its centre lies in."""
        row, column = self.centre
        return PLACES[int(3 * row)][int(3 * column)]

    @property
    def size(self) -> str:
        """The word for its share of the image: "small", "large" or ""."""
        share = self.mask.mean()
        return "small" if share < _SMALL else "large" if share > _LARGE else ""


def _lesion(rng: np.random.Generator, size: int) -> Lesion:
    rows, columns = np.mgrid[:size, :size] + 0.5
    row, column = rng.uniform(0.14, 0.86, 2) * size
    radius = size * np.exp(rng.uniform(np.log(0.07), np.log(0.2)))
    stretch, turn = rng.uniform(1, 1.5), rng.uniform(0, np.pi)
    x, y = columns - column, rows - row
    u = (x * np.cos(turn) + y * np.sin(turn)) / np.sqrt(stretch)
    v = (y * np.cos(turn) - x * np.sin(turn)) * np.sqrt(stretch)
    angle = np.arctan2(v, u)
    outline = 1 + sum(
        rng.normal(0, 0.12 / wave) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi)) for wave in range(2, 6)
    )
    distance = np.hypot(u, v) / (radius * outline)
    dome = np.clip(1 - distance**2, 0, None) ** rng.uniform(0.7, 1.1)
    bumps = 1 + 0.07 * smooth_noise(rng, size, radius / 5)
    height = rng.uniform(0.5, 0.9) * radius * dome * bumps
    return Lesion(distance < 1, height, str(rng.choice(["red", "pale", ""], p=(0.4, 0.35, 0.25))))


def _apart(lesion: Lesion, others: list[Lesion], margin: int) -> bool:
    grown = np.asarray(Image.fromarray(lesion.mask).convert("L").filter(ImageFilter.MaxFilter(2 * margin + 1))) > 0
    return not any((grown & other.mask).any() for other in others)


def _tube(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Height of the folds in pixels, and how far the wall is from the lamp, about 0 ... 1."""
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    row, column = rng.uniform(-0.6, 0.6, 2)
    wobble = 0.03 * smooth_noise(rng, size, size / 5)
    distance = np.hypot(rows - row, (columns - column) * rng.uniform(0.75, 1.3)) + wobble
    distance = np.clip(distance, 0, None) + 0.12
    phase = rng.uniform(6, 10) * np.log(distance) + 0.5 * smooth_noise(rng, size, size / 6) + rng.uniform(0, 6)
    strength = np.clip(0.6 + 0.7 * smooth_noise(rng, size, size / 5), 0, 1.6)
    folds = np.exp(2.2 * (np.sin(phase) - 1)) * strength * np.sqrt(distance)
    return rng.uniform(0.05, 0.11) * size * folds, np.clip(1.35 - distance / rng.uniform(0.2, 0.5), 0, 1)


def _shade(height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Diffuse and mirrored light, 0 ... 1, of a lamp in front of the image's centre."""
    size = len(height)
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    slope_y, slope_x = np.gradient(height)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(height)])
    lamp = np.stack([-0.9 * columns - 0.15, -0.9 * rows - 0.2, np.ones_like(height)])
    between = lamp / np.linalg.norm(lamp, axis=0) + np.array([0, 0, 1])[:, None, None]
    normal, lamp, between = (field / np.linalg.norm(field, axis=0) for field in (normal, lamp, between))
    return np.clip((normal * lamp).sum(0), 0, 1), np.clip((normal * between).sum(0), 0, 1)


def _blurred(mask: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.GaussianBlur(radius))) / 255.0


def lesion_image(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[Lesion]]:
    """Draw one image.

    Returns:
        RGB image, uint8 (size, size, 3), and its 0 ... 3 lesions, which do not touch each other.
    """
    lesions: list[Lesion] = []
    wanted = rng.choice(len(COUNTS), p=COUNTS)
    while len(lesions) < wanted:
        lesion = _lesion(rng, size)
        if _apart(lesion, lesions, margin=size // 16):
            lesions.append(lesion)
    folds, depth = _tube(rng, size)
    mix = rng.dirichlet(np.ones(len(_MUCOSA)))
    albedo = (mix @ _MUCOSA) * (1 + 0.05 * smooth_noise(rng, size, size / 10)[..., None])
    vessels = np.exp(-((smooth_noise(rng, size, size / 22) / 0.09) ** 2)) * (smooth_noise(rng, size, size / 8) > 0.3)
    albedo = albedo * (1 - vessels[..., None] * rng.uniform(0.05, 0.2) * np.array([0.5, 1, 1]))
    albedo = albedo * (1 + 0.035 * smooth_noise(rng, size, 1)[..., None])
    height, shadow = folds, np.zeros((size, size))
    for lesion in lesions:
        inside = _blurred(lesion.mask, 1)
        height = height * (1 - 0.6 * inside) + lesion.height
        tint = 1 + rng.uniform(0.35, 0.75) * (_TINTS[lesion.colour] - 1)
        grain = 1 + 0.05 * smooth_noise(rng, size, rng.uniform(1.2, 2.2))
        albedo = albedo * (1 + inside[..., None] * (tint * grain[..., None] - 1))
        shadow = np.maximum(shadow, _blurred(lesion.mask, size / 32) * (1 - inside))
        depth = depth * (1 - 0.6 * inside)
    diffuse, mirrored = _shade(height + 0.18 * smooth_noise(rng, size, 1.6) + 0.5 * smooth_noise(rng, size, size / 20))
    light = (0.35 + 0.8 * diffuse**1.4) * (1 - 0.75 * depth) * (1 - 0.45 * shadow) * rng.uniform(0.85, 1.1)
    wet = np.clip(smooth_noise(rng, size, size / 12) - rng.uniform(0.2, 1.2), 0, 1)
    for lesion in lesions:
        wet = np.maximum(wet, 0.5 * lesion.mask)
    glint = np.clip(mirrored**120 - 0.6, 0, 1) * wet * 2.5 * (1 - depth)
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    vignette = 1 - 0.55 * np.clip(np.hypot(rows, columns) - 0.25, 0, None) * 2
    pixels = 255 * (albedo * light[..., None] * vignette[..., None] + glint[..., None])
    pixels += rng.normal(0, 2.5, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8), lesions


def _described(rng: np.random.Generator, lesion: Lesion, noun: str) -> str:
    """A lesion with or without its size and colour, always with its place: "small red polyp at the top centre"."""
    stated = [word for word in (lesion.size, lesion.colour) if word and rng.random() < 0.8]
    article = ["a"] if stated or noun != "one" else []
    return " ".join([*article, *stated, noun, "at the", lesion.place])


def lesion_sentence(rng: np.random.Generator, lesions: Sequence[Lesion]) -> str:
    """What someone would note about an image in seconds; with several lesions, the place of each."""
    if not lesions:
        return str(rng.choice(["No polyp.", "No polyp is seen.", "Normal mucosa without a polyp."]))
    if len(lesions) == 1:
        only = _described(rng, lesions[0], "polyp")
        return str(rng.choice([f"There is {only} of the image.", f"{only.capitalize()}.", f"One{only[1:]}."]))
    found = [_described(rng, lesion, "one") for lesion in lesions]
    number = ("Two", "Three")[len(lesions) - 2]
    listed = f"{', '.join(found[:-1])} and {found[-1]}"
    return str(rng.choice([f"{number} polyps: {listed}.", f"There are {number.lower()} polyps, {listed}."]))


def make_lesions(output_folder: Path | str, cases: int, size: int = 128, seed: int = 0) -> Path:
    """Write ``images/*.png``, ``masks/*.png`` (0 background, 1 polyp) and ``captions.csv`` (image, text).

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
        image, lesions = lesion_image(rng, size)
        mask = np.zeros((size, size), np.uint8)
        for lesion in lesions:
            mask[lesion.mask] = 1
        return image, mask, [lesion_sentence(rng, lesions)]

    return write_folder(output_folder, cases, seed, "polyp", "captions.csv", ["text"], draw)
