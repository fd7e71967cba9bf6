"""The same network through nnU-Net and through its MONAI bundle: seconds per image in training and in inference.

    python benchmarks/pipelines.py [--network pathmamba] [--output pipelines]

Prepares one synthetic data set, trains it by both commands, converts nnU-Net's model into a bundle (cuescan convert),
and segments the same images by both with the same weights. Seconds are those of a processor core (of the clock on
Windows), so that other work on the machine counts less. A training image's are those of a training of three epochs less
those of one epoch, validation included; a test image's those of all test images less those of one: start-up is left
out. Also prints how many pixels of the masks agree.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from runner import Runner, empty_output

from cuescan.monai.synthetic import POLYPS, TISSUE, open_datalist
from cuescan.share import share_path

TRAINERS = {"pathmamba": ("PathMambaTrainer", TISSUE), "tifcmamba": ("TIFCMambaTrainer", POLYPS)}
EPOCHS, BATCH, LR = (1, 3), 8, "1e-3"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=TRAINERS, default="pathmamba", help="default: pathmamba")
    parser.add_argument("--output", type=Path, default=Path("pipelines"), help="folder to write (replaced)")
    options = parser.parse_args()
    output = options.output.resolve()
    empty_output(output)
    run = Runner(output)
    trainer, name = TRAINERS[options.network]
    raw = output / "nnUNet_raw" / name
    datalist = open_datalist(raw)
    number = name[len("Dataset") :][:3]
    run("cuescan", "plan", "-d", number)
    recipe = {"CUESCAN_BATCH_SIZE": str(BATCH), "CUESCAN_LR": LR, "CUESCAN_WORKERS": "0", "OMP_NUM_THREADS": "1"}
    configs = share_path("bundles") / options.network / "configs"
    monai = ("python", "-m", "monai.bundle", "run", "--device", "cpu", "--config_file")
    train = ("nnUNetv2_train", number, "2d", "0", "-tr", trainer, "-device", "cpu")
    run(*train, **recipe, CUESCAN_EPOCHS="1")  # keeps the text encoder and compiled kernels for the counted ones
    spent: dict[str, float] = {}
    for epochs, sign in zip(EPOCHS, (-1, 1), strict=True):
        count(spent, "nnU-Net", sign, run, *train, **recipe, CUESCAN_EPOCHS=str(epochs))
        count(spent, "MONAI", sign, run, *monai, configs / "train.json", "--bundle_root", output / f"trained_{epochs}",
              *("--dataset_dir", raw, "--epochs", epochs, "--batch_size", BATCH), OMP_NUM_THREADS="1")  # fmt: skip
    images_per_epoch = len(datalist.training())
    for pipeline, value in spent.items():
        each = value / (EPOCHS[1] - EPOCHS[0]) / images_per_epoch
        print(f"{pipeline}: {each:.3f} s per training image with its share of the validation")
    print(f"({images_per_epoch} training and {len(datalist.validation())} validation images per epoch)")
    model = output / "nnUNet_results" / name / f"{trainer}__nnUNetPlans__2d"

    converted, images = output / "converted", raw / "imagesTs"
    run("cuescan", "convert", model, converted)
    one = output / "one"
    one.mkdir()
    shutil.copy(min(images.iterdir()), one)
    spent = {}
    for folder, sign in ((images, 1), (one, -1)):
        masks = output / f"masks_{folder.name}"
        count(spent, "nnU-Net", sign, run, "nnUNetv2_predict", "-i", folder, "-o", masks / "nnunet", "-d", number,
              *("-c", "2d", "-f", "0", "-tr", trainer, "-device", "cpu", "-npp", "1", "-nps", "1"),
              OMP_NUM_THREADS="1")  # fmt: skip
        count(spent, "MONAI", sign, run, *monai, converted / "configs" / "inference.json", "--dataset_dir", folder,
              "--output_dir", masks / "monai", OMP_NUM_THREADS="1")  # fmt: skip
    tests = len(list(images.iterdir()))
    for pipeline, value in spent.items():
        print(f"{pipeline}: {value / (tests - 1):.3f} s per test image, four views each")
    print(f"pixels that agree: {agreement(output / 'masks_imagesTs'):.6f} of {tests} images")
    print(f"{platform.machine()}, {os.cpu_count()} cores")


def count(
    spent: dict[str, float], pipeline: str, sign: int, run: Runner, *command: str | Path | int, **variables: str
) -> None:
    """Run a command and add its seconds of a processor core, with a sign, to those of a pipeline."""
    before = os.times()
    elapsed = run(*map(str, command), **variables)
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    spent[pipeline] = spent.get(pipeline, 0.0) + sign * (seconds or elapsed)


def agreement(folder: Path) -> float:
    """Share of the pixels that both folders of masks give the same label."""
    equal = total = 0
    for file in sorted((folder / "nnunet").glob("*.png")):
        first, second = (np.asarray(Image.open(folder / side / file.name)) for side in ("nnunet", "monai"))
        equal, total = equal + int((first == second).sum()), total + first.size
    return equal / total


if __name__ == "__main__":
    main()
