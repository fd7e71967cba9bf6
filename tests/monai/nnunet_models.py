"""Trained models of nnU-Net's tiny data sets, and images for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import tiny_dataset as tiny
import tiny_sentences
import torch
from in_process import make_trainer
from lively import enliven
from nnunet_workplace import Workplace
from PIL import Image

from cuescan.encoders import load_encoder
from cuescan.nnunet import planner

SIZES = ((48, 48), (40, 56))
"""Of the training images, so that the patch is 48 x 56."""
PROMPTS = {
    "fits": "Zq7 Quastenflosser: one dark square, box (10, 12, 34, 40), covering 9.00% of the image. No stripe.",
    "tall": "One dark square, upper left, covering 10% of the image. One bright stripe, lower right.",
    "border": "One square, box (12, 8, 30, 33), covering 7% of the image.",
    "small": "No square, no stripe.",
    "wide": "One stripe, box (70, 40, 110, 80), covering 10% of the image. No square.",
    "odd": "One stripe, box (3, 20, 35, 31). A square, covering 12.5% of the image.",
}
"""By case; "gaps" and "long" have none."""
WORDS = ("Quastenflosser", "Wilhelmina", "Zq7", "dark square", "bright stripe")
"""Of sentences of training cases and prompts, which no file may hold."""


class Place(Workplace):
    """A workplace with models by network."""

    models: dict[str, Path]

    def __init__(self, made: Workplace) -> None:
        self.__dict__.update(made.__dict__)

    def monai(self, bundle: Path, images: Path, output: Path, *options: str) -> str:
        """Run a bundle's inference as a user does."""
        return self.run(
            *("python", "-m", "monai.bundle", "run", "--config_file", str(bundle / "configs" / "inference.json")),
            *("--dataset_dir", str(images), "--output_dir", str(output), *options),
            PYTHONWARNINGS="ignore",
        )


def make_model(place: Place, number: int, encoder: Path | None = None) -> Path:
    """Plan data set 1 (labels) or 5 (sentences), and write what a training would, with weights from :mod:`lively`."""
    make = tiny.make_raw if encoder is None else tiny_sentences.make_raw
    make(place.raw, number, **({"sizes": SIZES} if encoder is None else {}))
    planner.plan(number)
    name = "PathMambaTrainer" if encoder is None else "TIFCMambaTrainer"
    if encoder is not None:
        os.environ["CUESCAN_ENCODER"] = str(encoder)  # its sizes; afterwards the model is as if it had been trained
    try:
        trainer = make_trainer(number=number, trainer_name=name)
        trainer.initialize()
    finally:
        os.environ.pop("CUESCAN_ENCODER", None)
    plans = trainer.plans_manager.plans
    if encoder is not None:
        plans["cuescan"]["encoder_sha256"] = load_encoder(encoder).digest
        plans["cuescan"]["options"]["encoder"] = "small"
    image, _ = tiny.draw(np.random.default_rng(0), (48, 56), True, True)
    trainer.set_deep_supervision_enabled(False)
    enliven(trainer.bare_network, torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
    folder = Path(trainer.output_folder_base)
    Path(trainer.output_folder).mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(trainer.dataset_json))
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    return folder


def draw_images(folder: Path) -> Path:
    """Images as nnU-Net names them: of the patch's size, smaller, with black borders and gaps, and larger."""
    generator = np.random.default_rng(3)
    sizes = {"fits": (48, 56), "tall": (47, 33), "small": (32, 40), "odd": (37, 41), "border": (40, 40),
             "gaps": (45, 50), "long": (35, 60), "wide": (90, 120)}  # fmt: skip
    for case, size in sizes.items():
        image, _ = tiny.draw(generator, size, True, size[0] > 36)
        if case == "border":
            image = np.pad(image, ((5, 3), (2, 9), (0, 0)))
        if case == "gaps":
            image[20:30, 10:20] = 0
            image[:4] = 0
        tiny.save(folder / f"{case}_0000.png", image)
    return folder


def masks_of(folder: Path) -> dict[str, np.ndarray]:
    """The masks of a folder by case."""
    return {path.stem: np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether two sets of masks have the same cases, shapes and pixels."""
    return one.keys() == other.keys() and all(np.array_equal(one[case], other[case]) for case in one)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
