"""Cues in, masks out: the whole path on synthetic tissue, beside nnU-Net trained on masks for the same time.

    python benchmarks/demo.py [--output demo_output]

Draws histology-like images, keeps only their image-level labels for training, and then runs the commands that a user
would type: cuescan prepare and plan, nnUNetv2_train, nnUNetv2_predict, cuescan evaluate and overlay. The same images
with their masks train nnU-Net's own network for as long, as the fully supervised bound.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

from runner import Runner, empty_output

from cuescan.data.synthetic import make_histology

WEAK, DENSE = 991, 992
TRAINING_CASES, TEST_CASES, SIZE = 120, 30, 128
RECIPE = {
    "CUESCAN_EPOCHS": "8",
    "CUESCAN_BATCH_SIZE": "8",
    "CUESCAN_LR": "1e-3",
    "CUESCAN_WEIGHT_DECAY": "1e-5",
    "CUESCAN_WORKERS": "0",
}
"""The paper's learning rate of 1e-5 needs a pretrained trunk and 100 epochs; the demo starts from random weights."""


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder to write (replaced)")
    output = parser.parse_args().output.resolve()
    empty_output(output)
    run = Runner(output)
    begun = time.monotonic()

    train, test = output / "train", output / "test"
    make_histology(train, TRAINING_CASES, SIZE, seed=0)
    make_histology(test, TEST_CASES, SIZE, seed=1)
    common = ("--images", train / "images", "--cues", train / "labels.csv", "--no-background")
    unseen = ("--test-images", test / "images", "--test-masks", test / "masks")
    results = {}
    for identifier, name, trainer in (
        (WEAK, "DemoWeak", "PathMambaTrainer"),
        (DENSE, "DemoDense", "SupervisedTrainer"),
    ):
        masks = () if identifier == WEAK else ("--masks", train / "masks")
        run("cuescan", "prepare", "-d", str(identifier), "-n", name, *common, *masks, *unseen)
        run("cuescan", "plan", "-d", str(identifier))
        recipe = RECIPE if identifier == WEAK else {"CUESCAN_MINUTES": f"{results[WEAK]['seconds'] / 60:.2f}"}
        seconds = run("nnUNetv2_train", str(identifier), "2d", "0", "-tr", trainer, "-device", "cpu", **recipe)
        raw, predictions = output / "nnUNet_raw" / f"Dataset{identifier}_{name}", output / f"predictions_{name}"
        run(
            *("nnUNetv2_predict", "-i", raw / "imagesTs", "-o", predictions, "-d", str(identifier), "-c", "2d"),
            *("-f", "0", "-tr", trainer, "-device", "cpu", "-npp", "1", "-nps", "1", "--save_probabilities"),
        )
        run("cuescan", "evaluate", predictions, raw / "labelsTs")
        scores = json.loads((predictions / "scores.json").read_text(encoding="utf-8"))
        results[identifier] = {"seconds": seconds, "scores": scores, "predictions": predictions, "raw": raw}

    weak = results[WEAK]
    run(
        *("cuescan", "overlay", weak["raw"] / "imagesTs", weak["predictions"], "-o", output / "overlays"),
        *("--masks", weak["raw"] / "labelsTs"),
    )
    (fold,) = (output / "nnUNet_results").glob(f"Dataset{WEAK}_*/*/fold_0")
    run(
        *("cuescan", "overlay", weak["raw"] / "imagesTr", fold / "validation", "-o", output / "overlays_with_cues"),
        *("--cues", weak["raw"] / "cues.json", "-d", str(WEAK)),
    )
    run("cuescan", "report", weak["predictions"], "-o", output / "report.html")
    summarise(results, output, fold, time.monotonic() - begun)


def summarise(results: dict, output: Path, fold: Path, seconds: float) -> None:
    """Print the scores of both trainings and where pictures and report are."""
    print(f"\n{TEST_CASES} unseen images, {platform.machine()}, {os.cpu_count()} cores")
    print(f"{'trained on':34}{'training':>9}{'mDice':>8}{'mIoU':>8}")
    for identifier, name in (
        (WEAK, "image-level labels (PathMamba-T)"),
        (DENSE, "masks (nnU-Net 2d), as long"),
    ):
        mean = results[identifier]["scores"]["mean"]
        print(f"{name:34}{results[identifier]['seconds']:7.0f} s{mean['dice']:8.3f}{mean['iou']:8.3f}")
    print(f"pictures: {output / 'overlays' / 'overview.png'}, {output / 'overlays_with_cues' / 'overview.png'}")
    print(f"curves:   {fold / 'progress.png'}")
    print(f"report:   {output / 'report.html'}")
    print(f"all commands together: {seconds:.0f} s")


if __name__ == "__main__":
    main()
