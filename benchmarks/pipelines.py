"""The same network through nnU-Net and through its MONAI bundle: seconds per image in training and in inference.

    python benchmarks/pipelines.py [--network pathmamba] [--output pipelines]

Prepares one synthetic data set, trains it for two epochs by both commands, converts nnU-Net's model into a bundle
(cuescan convert), and segments the same images by both with the same weights. Training: the second epoch without
validation of the first, per image. Inference: the time of all images less that of one image, so that start-up is left
out. Also prints how many pixels of the masks agree.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from runner import Runner, empty_output
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cuescan.monai.synthetic import POLYPS, TISSUE, open_datalist
from cuescan.share import share_path

TRAINERS = {"pathmamba": ("PathMambaTrainer", TISSUE), "tifcmamba": ("TIFCMambaTrainer", POLYPS)}
EPOCHS, BATCH, LR = 2, 8, "1e-3"


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
    recipe = {"CUESCAN_EPOCHS": str(EPOCHS), "CUESCAN_BATCH_SIZE": str(BATCH), "CUESCAN_LR": LR, "CUESCAN_WORKERS": "0"}
    run("nnUNetv2_train", number, "2d", "0", "-tr", trainer, "-device", "cpu", **recipe)
    model = output / "nnUNet_results" / name / f"{trainer}__nnUNetPlans__2d"
    row = json.loads((model / "fold_0" / "progress_cues.jsonl").read_text().splitlines()[-1])
    print(f"nnU-Net: second epoch {row['seconds']:.1f} s with its validation")

    configs = share_path("bundles") / options.network / "configs"
    bundle = output / "trained"
    monai = ("python", "-m", "monai.bundle", "run", "--device", "cpu", "--config_file")
    run(
        *(*monai, configs / "train.json", "--bundle_root", bundle, "--dataset_dir", raw),
        *("--epochs", str(EPOCHS), "--batch_size", str(BATCH)),
    )
    print(f"MONAI: second epoch {epoch_seconds(bundle / 'eval'):.1f} s with its validation")
    print(f"({len(datalist.training())} training and {len(datalist.validation())} validation images)")

    converted, images = output / "converted", raw / "imagesTs"
    run("cuescan", "convert", model, converted)
    one = output / "one"
    one.mkdir()
    shutil.copy(min(images.iterdir()), one)
    seconds: dict[str, float] = {}
    for folder, sign in ((images, 1), (one, -1)):
        masks = output / f"masks_{folder.name}"
        seconds["nnU-Net"] = seconds.get("nnU-Net", 0.0) + sign * run(
            *("nnUNetv2_predict", "-i", folder, "-o", masks / "nnunet", "-d", number, "-c", "2d", "-f", "0"),
            *("-tr", trainer, "-device", "cpu", "-npp", "1", "-nps", "1"),
        )
        plain = output / f"plain_{folder.name}"  # without nnU-Net's channel suffix
        plain.mkdir()
        for file in folder.iterdir():
            shutil.copy(file, plain / file.name.replace("_0000", ""))
        seconds["MONAI"] = seconds.get("MONAI", 0.0) + sign * run(
            *(*monai, converted / "configs" / "inference.json", "--dataset_dir", plain),
            *("--output_dir", masks / "monai"),
        )
    count = len(list(images.iterdir()))
    for pipeline, value in seconds.items():
        print(f"{pipeline}: {value / (count - 1):.3f} s per image, four views each")
    print(f"pixels that agree: {agreement(output / 'masks_imagesTs'):.6f} of {count} images")
    print(f"{platform.machine()}, {os.cpu_count()} cores")


def epoch_seconds(folder: Path) -> float:
    """Seconds between the last two epochs' training losses in TensorBoard's files of a folder."""
    for file in sorted(folder.glob("events.*")):
        events = EventAccumulator(str(file)).Reload()
        tags = [tag for tag in events.Tags()["scalars"] if tag == "val_cue_score"]
        if tags:
            times = [event.wall_time for event in events.Scalars(tags[0])]
            return times[-1] - times[-2]
    raise SystemExit(f"{folder}: no curve of val_cue_score")


def agreement(folder: Path) -> float:
    """Share of the pixels that both folders of masks give the same label."""
    equal = total = 0
    for file in sorted((folder / "nnunet").glob("*.png")):
        first, second = (np.asarray(Image.open(folder / side / file.name)) for side in ("nnunet", "monai"))
        equal, total = equal + int((first == second).sum()), total + first.size
    return equal / total


if __name__ == "__main__":
    main()
