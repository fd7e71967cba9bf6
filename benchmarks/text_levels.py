"""Prompts of three levels of detail, each beside a guess made from the same sentences without the images.

    python benchmarks/text_levels.py -d 7 --images IMAGES --masks MASKS --output levels

For a model that TIFCMambaTrainer trained on the data set: describes the masks by the class's name alone, by places, and
by boxes and shares (cuescan describe), segments the images by these sentences (cuescan predict), and scores the masks
(cuescan evaluate). The guesses are ellipses (benchmarks/guess.py), of the mean size that the training cues state.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from guess import guess
from PIL import Image
from tqdm import tqdm

from cuescan.cli import main as cuescan
from cuescan.cues import Cues, read_cues
from cuescan.cues.language import read_sentence
from cuescan.data.prompts import read_prompts
from cuescan.training.provenance import commit, versions

LEVELS = ("name", "place", "full")


@dataclass(frozen=True)
class Level:
    """Scores at one level of detail: of the masks, and of the guesses."""

    level: str
    dice: float
    iou: float
    guess_dice: float
    guess_iou: float


def raw_folder(number: str) -> Path:
    """The raw data set of a number."""
    (raw,) = Path(os.environ["nnUNet_raw"]).glob(f"Dataset{int(number):03d}_*")
    return raw


def mean_shares(cues: Cues) -> list[float]:
    """By class the mean of the shares that the cues state; 0.1 where they state none."""
    stated: list[list[float]] = [[] for _ in cues.classes]
    for cue in cues.cues.values():
        for shares, statement in zip(stated, read_sentence(cue.text or "", cues.classes), strict=True):
            if statement.present and statement.share is not None:
                shares.append(statement.share)
    return [float(np.mean(shares)) if shares else 0.1 for shares in stated]


def quiet(*command: str | Path) -> None:
    """Run a cuescan command; what it prints is shown only if it fails."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = cuescan([str(word) for word in command])
    if status:
        raise SystemExit(printed.getvalue())


def scores(predictions: Path, masks: Path) -> tuple[float, float]:
    """MDice and mIoU of predictions, from one confusion matrix."""
    quiet("evaluate", predictions, masks)
    mean = json.loads((predictions / "scores.json").read_text(encoding="utf-8"))["mean"]
    return mean["dice"], mean["iou"]


def levels(model: Sequence[str | Path], raw: Path, images: Path, masks: Path, output: Path) -> Iterator[Level]:
    """Segment images at each level of detail, guess as well, and score both.

    Args:
        model: Options of ``cuescan predict`` that choose the model and how it runs.
        raw: The raw data set that it was trained on, with the cues.
        images: Unseen images, named as nnU-Net's.
        masks: Their masks (PNG).
        output: Folder for sentences and masks, made if it is not there.
    """
    cues = read_cues(raw / "cues.json")
    files, shares = sorted(masks.glob("*.png")), mean_shares(cues)
    for level in LEVELS:
        folder = output / level
        guesses = folder / "guesses"
        guesses.mkdir(parents=True, exist_ok=True)
        prompts = folder / "prompts.csv"
        quiet("describe", masks, "-o", prompts, "--classes", *cues.classes, "--detail", level)
        quiet("predict", "-i", images, "-o", folder / "masks", "--prompts", prompts, *model)
        sentences = read_prompts(prompts, cues.classes, [file.stem for file in files])
        for file in tqdm(files, desc=level, leave=False, disable=None):
            with Image.open(file) as mask:
                shape = (mask.height, mask.width)
            statements = read_sentence(sentences[file.stem], cues.classes, shape)
            Image.fromarray(guess(statements, shape, shares)).save(guesses / file.name)
        (guesses / "dataset.json").write_bytes((raw / "dataset.json").read_bytes())
        yield Level(level, *scores(folder / "masks", masks), *scores(guesses, masks))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", dest="dataset", required=True, help="number of the data set")
    parser.add_argument("-f", dest="fold", default="0", help="fold (default 0)")
    parser.add_argument("--images", type=Path, required=True, help="unseen images, named as nnU-Net's")
    parser.add_argument("--masks", type=Path, required=True, help="their masks")
    parser.add_argument("--output", type=Path, required=True, help="folder for sentences and masks")
    parser.add_argument("-device", default="cpu")
    options = parser.parse_args()
    count = len(list(options.masks.glob("*.png")))
    print(f"{count} images; {platform.machine()}, {os.cpu_count()} cores; commit {commit()}; {versions()}")
    print(f"{'prompt':8}{'mDice':>8}{'mIoU':>8}{'guess mDice':>14}{'guess mIoU':>12}")
    model = ("-d", options.dataset, "-f", options.fold, "-device", options.device)
    for row in levels(model, raw_folder(options.dataset), options.images, options.masks, options.output):
        ours, guessed = f"{row.dice:8.3f}{row.iou:8.3f}", f"{row.guess_dice:14.3f}{row.guess_iou:12.3f}"
        print(f"{row.level:8}{ours}{guessed}", flush=True)


if __name__ == "__main__":
    main()
