"""Sentences in, masks out: the whole path on synthetic polyps, prompted in three levels of detail.

    python benchmarks/demo_text.py [--output demo_text_output]

Draws colonoscopy-like images, writes a sentence for each from its mask (cuescan describe, in the manner of TIFCMamba's
captions), trains on sentences alone, and segments unseen images by prompts: the class's name, place words, or box and
share. Then runs the commands that a user would type: cuescan describe, prepare and plan, nnUNetv2_train,
nnUNetv2_predict, cuescan predict, evaluate and overlay.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

from runner import Runner, empty_output

from cuescan.data.synthetic_lesions import make_lesions

DATASET, NAME, TRAINER = "993", "DemoText", "TIFCMambaTrainer"
TRAINING_CASES, TEST_CASES, SIZE = 150, 40, 96
RECIPE = {"CUESCAN_EPOCHS": "26", "CUESCAN_LR": "1e-3", "CUESCAN_WORKERS": "0", "CUESCAN_VALIDATION_CASES": "12"}
LEVELS = ("name", "place", "full")


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo_text_output"), help="folder to write (replaced)")
    output = parser.parse_args().output.resolve()
    empty_output(output)
    run = Runner(output)
    begun = time.monotonic()

    train, test = output / "train", output / "test"
    make_lesions(train, TRAINING_CASES, SIZE, seed=0)
    make_lesions(test, TEST_CASES, SIZE, seed=1)
    captions = train / "sentences.csv"
    run("cuescan", "describe", train / "masks", "-o", captions, "--classes", "polyp")
    run(
        *("cuescan", "prepare", "-d", DATASET, "-n", NAME, "--images", train / "images", "--cues", captions),
        *("--classes", "polyp", "--test-images", test / "images", "--test-masks", test / "masks"),
    )
    run("cuescan", "plan", "-d", DATASET)
    training = run("nnUNetv2_train", DATASET, "2d", "0", "-tr", TRAINER, "-device", "cpu", **RECIPE)

    raw, results = output / "nnUNet_raw" / f"Dataset{DATASET}_{NAME}", {}
    for level in LEVELS:
        prompts, predictions = output / f"prompts_{level}.csv", output / f"predictions_{level}"
        run("cuescan", "describe", test / "masks", "-o", prompts, "--classes", "polyp", "--detail", level)
        run(
            *("cuescan", "predict", "-i", raw / "imagesTs", "-o", predictions, "-d", DATASET, "-f", "0"),
            *("--prompts", prompts, "-device", "cpu"),
        )
        run("cuescan", "evaluate", predictions, raw / "labelsTs")
        results[f"prompt: {level}"] = predictions
        run(
            *("cuescan", "overlay", raw / "imagesTs", predictions, "-o", output / f"overlays_{level}"),
            *("--masks", raw / "labelsTs", "--cues", prompts, "--show-text"),
        )
    predictions = output / "predictions_default"
    run(
        *("nnUNetv2_predict", "-i", raw / "imagesTs", "-o", predictions, "-d", DATASET, "-c", "2d", "-f", "0"),
        *("-tr", TRAINER, "-device", "cpu", "-npp", "1", "-nps", "1"),
    )
    run("cuescan", "evaluate", predictions, raw / "labelsTs")
    results["nnUNetv2_predict, no prompts"] = predictions

    print(f"\n{TEST_CASES} unseen images, {platform.machine()}, {os.cpu_count()} cores; training {training:.0f} s")
    print(f"{'':34}{'mDice':>8}{'mIoU':>8}")
    for name, predictions in results.items():
        mean = json.loads((predictions / "scores.json").read_text(encoding="utf-8"))["mean"]
        print(f"{name:34}{mean['dice']:8.3f}{mean['iou']:8.3f}")
    print(
        f"pictures: {output / 'overlays_place' / 'overview.png'}, with sentences in {output / 'overlays_place'}/cases"
    )
    print(f"all commands together: {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
