"""What a benchmark is told about its data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cuescan.cues.reading import load_json
from cuescan.data.images import list_images
from cuescan.data.masks import read_raw_mask
from cuescan.errors import UserError
from weak_tables.known_sets import SETS, SYNTHETIC
from weak_tables.reading import Keys

KEYS = ("set", "dataset", "source", "test", "hold_out", "folds", "split_seed", "cases", "test_cases", "size")


@dataclass(frozen=True)
class DataSettings:
    """The data of a benchmark.

    Attributes:
        key: one of :data:`weak_tables.known_sets.SETS`, or "" for a data set that is in ``nnUNet_raw`` already.
        dataset: number of that data set.
        source: folder of images; as the file gives it, with ``{data}`` unresolved.
        folder: the same, resolved.
        test: folder of the official test images (GlaS), or None.
        hold_out: share of the images, by whole patients or groups, that becomes the test set.
        folds: folds that the training cases are split into.
        split_seed: of folds and hold-out.
        drawing: number of training and test images and their side, of the synthetic set.
    """

    key: str
    dataset: int
    source: str = ""
    folder: Path = Path()
    test: Path | None = None
    hold_out: float | None = None
    folds: int = 5
    split_seed: int = 0
    drawing: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, told: Any, where: str, data: Path) -> DataSettings:
        """Check the settings; a word is the name of a set, a number that of a data set in ``nnUNet_raw``.

        Raises:
            UserError: an unknown set, a source that is not there, or a setting that the set does not take.
        """
        if isinstance(told, (str, int)) and not isinstance(told, bool):
            told = {"dataset" if isinstance(told, int) or told.isdigit() else "set": told}
        keys = Keys(told, where, KEYS)
        key, dataset = keys.get("set", ""), keys.get("dataset", None)
        if (not key) == (dataset is None):
            raise UserError(
                f"{where}: give either set (one of {', '.join(SETS)}) or dataset (its number in nnUNet_raw)"
            )
        folds, seed = keys.whole("folds", 2) or 5, keys.whole("split_seed", 0) or 0
        drawing = {name: keys.whole(name, 32 if name == "size" else 1) for name in ("cases", "test_cases", "size")}
        hold_out, test = keys.get("hold_out", None), keys.text("test")
        if hold_out is not None and (not isinstance(hold_out, float) or not 0 < hold_out < 1):
            raise UserError(f"{where}: hold_out is {hold_out!r} but must be a share between 0 and 1, as 0.2")
        if not key:
            _refuse(keys, KEYS[2:], "a data set of yours has its own images and folds")
            return cls("", _number(dataset, where))
        if key not in SETS:
            raise UserError(f"{where}: there is no set '{key}'; give one of {', '.join(SETS)}, or dataset: its number")
        known = SETS[key]
        if key != SYNTHETIC:
            _refuse(keys, ("cases", "test_cases", "size"), "only the synthetic set is drawn")
        if test is not None and key != "glas":
            raise UserError(f"{where}: test names GlaS's test images, {key} has {known.tests}; remove it")
        if known.held and test is None and hold_out is None:
            hold_out = 0.2
        if hold_out is not None and (test is not None or not known.held):
            raise UserError(f"{where}: there is a test set, so nothing is held out; remove hold_out")
        default = f"{{data}}/{known.folder}" if known.folder else ""
        source = str(keys.get("source", default))
        folder = _resolved(source, data)
        if key == SYNTHETIC:
            given = {name: value for name, value in drawing.items() if value is not None}
            return cls(key, known.number, folds=folds, split_seed=seed,
                       drawing={"cases": 40, "test_cases": 12, "size": 64} | given)  # fmt: skip
        if not source:
            raise UserError(f"{where}: {key} is a download of yours; give its folder as source")
        if not folder.is_dir():
            raise UserError(
                f"{folder}: there is no such folder of {key}'s images; give source in {where}, or --data (CUESCAN_DATA)"
            )
        tests = None if test is None else _resolved(test, data)
        if tests is not None and not tests.is_dir():
            raise UserError(f"{tests}: there is no such folder of test images; correct test in {where}")
        return cls(key, known.number, source, folder, tests, hold_out, folds, seed)

    def has_masks(self) -> bool:
        """Whether training cases have masks; of a user's data set, whether any of about fifty labels a pixel."""
        if self.key:
            return SETS[self.key].masks
        folder = user_dataset(self.dataset)
        ignore = load_json(folder / "dataset.json")["labels"].get("ignore")
        masks = sorted(list_images(folder / "labelsTr").values())
        return ignore is None or any((read_raw_mask(mask) != ignore).any() for mask in masks[:: len(masks) // 50 + 1])

    def identity(self) -> dict[str, Any]:
        """What decides which images are trained and tested on, wherever the folders lie."""
        return {
            "set": self.key or self.dataset,
            "test": None if self.test is None else self.test.name,
            "hold_out": self.hold_out,
            "folds": self.folds,
            "split_seed": self.split_seed,
            **self.drawing,
        }

    def tests_in_words(self) -> str:
        """What the test images are, for the table."""
        if not self.key:
            return "the data set's imagesTs, or its last fold where it has none"
        if self.test is not None:
            return f"the images of {self.test.name}"
        if self.hold_out is not None:
            return f"about {self.hold_out:.0%} of the source's images, whole groups, held out by seed {self.split_seed}"
        return SETS[self.key].tests


def _refuse(keys: Keys, names: Sequence[str], why: str) -> None:
    given = next((name for name in names if name in keys.content), None)
    if given is not None:
        raise UserError(f"{keys.where}: {given} has no meaning here, {why}; remove it")


def _number(value: Any, where: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if not 1 <= number <= 999:
        raise UserError(f"{where}: dataset is {value!r} but must be the number of a data set in nnUNet_raw, 1 to 999")
    return number


def _resolved(path: str, data: Path) -> Path:
    return Path(path.replace("{data}", str(data))).expanduser()


def raw_name(data: DataSettings) -> str:
    """``DatasetXXX_Name`` of the data set.

    Raises:
        UserError: ``nnUNet_raw`` is not set or has no such data set.
    """
    if data.key:
        known = SETS[data.key]
        return f"Dataset{known.number:03d}_{known.name}"
    return user_dataset(data.dataset).name


def user_dataset(number: int) -> Path:
    """The user's own data set, in the nnUNet_raw of the environment.

    Raises:
        UserError: ``nnUNet_raw`` is not set or has no such data set.
    """
    root = os.environ.get("nnUNet_raw")
    if not root:
        raise UserError(f"nnUNet_raw is not set, so data set {number} cannot be found; set that environment variable")
    found = [path for path in sorted(Path(root).glob(f"Dataset{number:03d}_*")) if (path / "dataset.json").is_file()]
    if len(found) != 1:
        raise UserError(f"{root}: {len(found)} data sets have the number {number}; make one with `cuescan prepare`")
    return found[0]
