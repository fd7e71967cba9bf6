"""The commands that put a data set into the benchmark's own nnUNet_raw."""

from __future__ import annotations

from pathlib import Path

from cuescan.share import share_path
from weak_tables.datasets import DataSettings, raw_name, user_dataset
from weak_tables.known_sets import SYNTHETIC

HERE = Path(__file__).resolve().parent


def prepare_commands(data: DataSettings, output: Path) -> list[tuple[str, ...]]:
    """The commands that put the data set into ``output/nnUNet_raw``."""
    raw = output / "nnUNet_raw"
    name = raw_name(data)
    if not data.key:
        return [("python", str(HERE / "take_dataset.py"), str(user_dataset(data.dataset)), str(raw / name))]
    number, title = str(data.dataset), name.partition("_")[2]
    place = ("-d", number, "-n", title, "--output", str(raw), "--overwrite", "--folds", str(data.folds),
             "--seed", str(data.split_seed))  # fmt: skip
    if data.key == SYNTHETIC:
        drawn = output / "synthetic"
        draw = [word for key, value in data.drawing.items() for word in (f"--{key.replace('_', '-')}", str(value))]
        train, test = drawn / "train", drawn / "test"
        prepare = (
            *("cuescan", "prepare", *place, "--images", str(train / "images"), "--cues", str(train / "labels.csv")),
            *("--masks", str(train / "masks"), "--no-background"),
            *("--test-images", str(test / "images"), "--test-masks", str(test / "masks")),
        )
        return [("python", str(HERE / "draw.py"), str(drawn), *draw), prepare]
    tests = ("--test", str(data.test)) if data.test else ()
    held = ("--hold-out", str(data.hold_out)) if data.hold_out is not None else ()
    return [("python", str(share_path("preprocessing") / f"{data.key}.py"), str(data.folder), *place, *tests, *held)]
