"""Copies of the bundles, tiny data sets for them, and MONAI's commands run there as a user does."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import ConfigParser
from PIL import Image

from cuescan.data.caption_table import Captions, describe_masks, write_captions
from cuescan.data.prepare import Inputs, prepare
from cuescan.monai.datalist import write_datalist

ROOT = Path(__file__).parents[3]
BUNDLES = ROOT / "monai_bundles"
NAMES = ("pathmamba", "tifcmamba")
SIZE = (48, 64)
"""Height and width of the images, not equal so that a turned one is seen."""
TISSUES = {"tumour": (110, 60, 140), "stroma": (230, 150, 190), "fat": (245, 240, 245), "necrosis": (200, 190, 160)}
MUCOSA, POLYP = (210, 140, 120), (150, 40, 40)
TRAINING, TEST = 10, 3


def draw_tissue(generator: np.random.Generator, folder: Path, cases: int) -> None:
    """Upright bands of two or three tissues, their masks, and ``labels.csv``."""
    rows = []
    for number in range(cases):
        classes = generator.choice(4, int(generator.integers(2, 4)), replace=False)
        mask = np.tile(1 + classes[np.arange(SIZE[1]) * len(classes) // SIZE[1]], (SIZE[0], 1))
        save(folder, f"tissue_{number}", colours(generator, mask, [(0, 0, 0), *TISSUES.values()]), mask)
        rows.append([f"tissue_{number}.png", *(int(label in mask) for label in range(1, 5))])
    write_table(folder / "labels.csv", ["image", *TISSUES], rows)


def draw_polyps(generator: np.random.Generator, folder: Path, cases: int) -> None:
    """A dark ellipse on mucosa in all but one image, masks, and ``sentences.csv`` from them."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    for number in range(cases):
        y, x = generator.uniform(14, 34), generator.uniform(14, 50)
        mask = (((rows - y) / 8) ** 2 + ((columns - x) / 11) ** 2 < 1).astype(np.int64) * (number != 1)
        save(folder, f"polyp_{number}", colours(generator, mask, [MUCOSA, POLYP]), mask)
    write_captions(Captions(folder / "masks", ("polyp",)), folder / "sentences.csv")


def colours(generator: np.random.Generator, mask: np.ndarray, palette: list) -> np.ndarray:
    """Pixels of the labels' colours, with noise."""
    noise = generator.normal(0, 12, (*mask.shape, 3))
    return np.clip(np.array(palette)[mask] + noise, 1, 255).astype(np.uint8)


def save(folder: Path, case: str, image: np.ndarray, mask: np.ndarray) -> None:
    for part, pixels in (("images", image), ("masks", mask.astype(np.uint8))):
        (folder / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / part / f"{case}.png")


def write_table(path: Path, header: list, rows: list) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def make_data(name: str, folder: Path) -> Path:
    """The tiny data set of a bundle, as ``cuescan prepare`` makes it; the polyps' has a data list too."""
    polyps = name == "tifcmamba"
    generator, draw = np.random.default_rng(0), draw_polyps if polyps else draw_tissue
    train, test = folder / "drawn" / "train", folder / "drawn" / "test"
    draw(generator, train, TRAINING)
    draw(generator, test, TEST)
    inputs = Inputs(
        images=train / "images",
        cues=train / ("sentences.csv" if polyps else "labels.csv"),
        masks=train / "masks",
        test_images=test / "images",
        test_masks=test / "masks",
        classes=("polyp",) if polyps else (),
        background=polyps,
    )
    made = prepare(inputs, 7, "Tiny", output=folder)
    if polyps:
        write_datalist(made, describe_masks(Captions(test / "masks", ("polyp",))))
    return made


TRAIN = ("--epochs", "1", "--batch_size", "4")


class Bundle:
    """A bundle outside the repository, its data set, and an empty folder that its commands are typed in.

    Args:
        name: of the bundle.
        folder: where the bundle and the empty folder are made.
        data: of the data set.
        source: the bundle to copy; None for the repository's.
    """

    def __init__(self, name: str, folder: Path, data: Path, source: Path | None = None) -> None:
        self.name, self.data = name, data
        self.root, self.desk = folder / name, folder / "desk"
        left_away = shutil.ignore_patterns("models", "eval", "data") if source is None else None
        shutil.copytree(source or BUNDLES / name, self.root, ignore=left_away)
        self.desk.mkdir()

    def copy(self, folder: Path) -> Bundle:
        """The bundle as it is now, to be changed."""
        return Bundle(self.name, folder, self.data, self.root)

    @property
    def models(self) -> Path:
        return self.root / "models"

    def path(self, name: str) -> str:
        return str(self.root / "configs" / f"{name}.json")

    def run(
        self, *names: str, options: tuple = (), desk: Path | None = None, processes: int = 1, ok: bool = True
    ) -> str:
        """Run one or several configurations as a user does, from an empty folder unless another one is given."""
        paths = [self.path(name) for name in names]
        words = ["-m", "monai.bundle", "run", "--config_file", paths[0] if len(paths) == 1 else str(paths)]
        words += [str(option) for option in options]
        if "--dataset_dir" not in words:
            words += ["--dataset_dir", str(self.data)]
        if processes > 1:
            words = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *words]
        return command(*words, desk=desk or self.desk, ok=ok)


def trained_bundle(name: str, folder: Path) -> Bundle:
    """A copy of a bundle, trained for one epoch on its tiny data set."""
    made = Bundle(name, folder, make_data(name, folder))
    made.run("train", options=TRAIN)
    return made


def segment(bundle: Bundle, dataset: Path, output: Path, **overrides: Any) -> dict[str, np.ndarray]:
    """Masks by ``inference.json`` as written to files, run in this process, which saves loading all the libraries."""
    parser = ConfigParser()
    parser.read_config(bundle.path("inference"))
    own = {"bundle_root": str(bundle.root), "dataset_dir": str(dataset), "output_dir": str(output), "device": "cpu"}
    for key, value in (own | overrides).items():
        parser[key] = value
    parser.get_parsed_content("evaluator").run()
    return masks(output)


def masks(folder: Path) -> dict[str, np.ndarray]:
    """Each PNG of a folder."""
    return {path.stem: np.asarray(Image.open(path)) for path in folder.glob("*.png")}


def command(*words: str, desk: Path, ok: bool = True) -> str:
    """What a Python command printed; it must leave the folder that it is typed in as it was."""
    before = visible(desk)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        cwd=desk, env=environment(), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, said[-6000:]
    assert visible(desk) == before
    return said


def environment() -> dict[str, str]:
    """This process's without the settings of either pipeline, on one core and no GPU."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CUESCAN_", "nnUNet_"))}
    alone = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "CUDA_VISIBLE_DEVICES": ""}
    return kept | alone | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith((".", "__pycache__"))}


def contents(folder: Path) -> dict[str, int]:
    """Every file below a folder with the time of its last change."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
