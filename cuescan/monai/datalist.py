"""Data sets for bundles: a data list, or an nnU-Net raw data set that cuescan made, read in the same way.

MONAI's own ``load_decathlon_datalist`` replaces text that happens to match a path, so cues are read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cuescan.cues import Cues, check_cues, read_cues
from cuescan.cues.reading import load_json, parse_cues
from cuescan.cues.writing import cues_document, write_json
from cuescan.data.images import read_header
from cuescan.data.prompts import read_prompts
from cuescan.errors import UserError
from cuescan.monai.pictures import list_pictures
from cuescan.training.case_sentences import CaseSentences

FILE = "datalist.json"
CUE = ("labels", "text", "parts")
"""What an entry of a data list keeps of a cue."""
STEP = 16
"""The patch that covers all images is a multiple of it, so that strides up to 16 lose no border."""

Item = dict[str, Any]
"""A case: "case", its name, "image", its files, one per channel file, and where there are any "label" and "text"."""


@dataclass(frozen=True)
class Datalist:
    """Cases of a data set and what is known of them.

    Attributes:
        folder: of the data set.
        classes: names of the K classes.
        background: False where every pixel belongs to a class.
        channel_names: nnU-Net's name for each channel, which decides how it is normalised.
        cues: of the training cases.
        cases: the training cases, which validation cases are part of.
        splits: by fold, the cases to train on and those to validate on.
        test: unseen cases.
    """

    folder: Path
    classes: tuple[str, ...]
    background: bool
    channel_names: tuple[str, ...]
    cues: Cues
    cases: Mapping[str, Item]
    splits: Sequence[tuple[Sequence[str], Sequence[str]]]
    test: Sequence[Item] = field(default_factory=tuple)

    def training(self, fold: int = 0) -> list[Item]:
        """The training cases of a fold, without their masks: training never reads them.

        Of each is noted whether it may be mirrored and turned ("may_turn"): its sentence can follow; and whether its
        colours may change ("may_stain"): its sentence names none.
        """
        sentences = CaseSentences(self.cues)
        items = []
        for case in self._split(fold)[0]:
            item = {key: value for key, value in self.cases[case].items() if key not in ("label", "text")}
            item["may_turn"], item["may_stain"] = sentences.may_turn(case), not sentences.names_colour(case)
            items.append(item)
        return items

    def validation(self, fold: int = 0, limit: int | None = None) -> list[Item]:
        """The validation cases of a fold; ``limit`` of them, evenly spaced, where there are more."""
        cases = self._split(fold)[1]
        if limit is not None and limit < len(cases):
            cases = [cases[int(number)] for number in np.linspace(0, len(cases) - 1, limit)]
        return [dict(self.cases[case]) for case in cases]

    def _split(self, fold: int) -> tuple[Sequence[str], Sequence[str]]:
        if not 0 <= fold < len(self.splits):
            raise UserError(f"{self.folder}: there is no fold {fold}; give one of 0 ... {len(self.splits) - 1}")
        training, validation = self.splits[fold]
        for cases, side in ((training, "training"), (validation, "validation")):
            if not cases:
                raise UserError(f"{self.folder}: fold {fold} has no {side} case; correct the folds, or take another")
        return training, validation

    @cached_property
    def patch_size(self) -> tuple[int, int]:
        """(height, width), multiples of 16, that cover every training image: a cue speaks of the whole image."""
        sizes = [read_header(Path(item["image"][0])).size for item in self.cases.values()]
        height, width = (-(-max(sides) // STEP) * STEP for sides in zip(*sizes, strict=True))
        return height, width

    @cached_property
    def has_masks(self) -> bool:
        """Whether any training case has a mask with a pixel that is not ignored."""
        from PIL import Image

        ignore = len(self.classes) + 1
        return any(
            np.any(np.asarray(Image.open(item["label"])) != ignore) for item in self.cases.values() if "label" in item
        )


def read_datalist(folder: Path | str) -> Datalist:
    """Read the data list of a folder, or the nnU-Net raw data set that it is.

    Raises:
        UserError: neither is there, or it is not whole; names the file, the case and the remedy, never a sentence.
    """
    folder = Path(folder).absolute()
    if (folder / FILE).is_file():
        found = _from_list(folder)
    elif (folder / "dataset.json").is_file():
        found = _from_raw(folder)
    else:
        raise UserError(
            f"{folder}: there is neither a {FILE} nor a dataset.json; make the data set with `cuescan prepare`, or "
            "correct --dataset_dir"
        )
    for item in [*found.cases.values(), *found.test]:
        for file in [*item["image"], *([item["label"]] if "label" in item else [])]:
            if not Path(file).is_file():
                raise UserError(f"{file}: there is no such file for case '{item['case']}'; restore or remove it")
    check_cues(found.cues, found.cases, folder)
    return found


def _from_list(folder: Path) -> Datalist:
    source = folder / FILE
    document = load_json(source)
    try:
        training, test = document["training"], document.get("test", [])
        cases = {entry["case"]: _item(folder, entry) for entry in training}
        facts = {key: document[key] for key in ("version", "classes", "background")}
        entries = {entry["case"]: {key: entry[key] for key in CUE if key in entry} for entry in training}
        cues = parse_cues({**facts, "cues": entries}, source)
        folds = sorted({entry["fold"] for entry in training if "fold" in entry})
        held = {fold: [entry["case"] for entry in training if entry.get("fold") == fold] for fold in folds}
        splits = [([case for case in cases if case not in set(held[fold])], held[fold]) for fold in folds]
        return Datalist(
            folder, cues.classes, cues.background, tuple(document["channel_names"]), cues, cases, splits,
            [_item(folder, entry) for entry in test],
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{source}: not a data list of cuescan ({error}); write it by `cuescan prepare --monai`"
        ) from None


def _item(folder: Path, entry: Mapping[str, Any]) -> Item:
    """A case of a data list, with whole paths; of its text nothing is taken for a path."""
    files = entry["image"] if isinstance(entry["image"], list) else [entry["image"]]
    item: Item = {"case": entry["case"], "image": [str(folder / file) for file in files]}
    if "label" in entry:
        item["label"] = str(folder / entry["label"])
    if "text" in entry:
        item["text"] = entry["text"]
    return item


def _from_raw(folder: Path) -> Datalist:
    document = load_json(folder / "dataset.json")
    cues = read_cues(folder / "cues.json")
    channels, ending = document["channel_names"], document["file_ending"]
    if ending != ".png":
        raise UserError(f"{folder}: bundles read PNG data sets but this one has {ending}; train it with nnU-Net")
    cases = {item["case"]: item for item in _raw_items(folder, "Tr", ending)}
    for case, item in cases.items():
        if case in cues.cues and cues.cues[case].text is not None:
            item["text"] = cues.cues[case].text
    splits = [(fold["train"], fold["val"]) for fold in load_json(folder / "splits_final.json")]
    names = tuple(channels[key] for key in sorted(channels, key=int))
    test = list(_raw_items(folder, "Ts", ending))
    return Datalist(folder, cues.classes, cues.background, names, cues, cases, splits, test)


def _raw_items(folder: Path, part: str, ending: str) -> list[Item]:
    files = sorted((folder / f"images{part}").glob(f"*_[0-9][0-9][0-9][0-9]{ending}"))
    images: dict[str, list[str]] = {}
    for file in files:
        images.setdefault(file.name[: -len(f"_0000{ending}")], []).append(str(file))
    items = []
    for case, paths in images.items():
        item: Item = {"case": case, "image": paths}
        label = folder / f"labels{part}" / f"{case}{ending}"
        if label.is_file():
            item["label"] = str(label)
        items.append(item)
    return items


def write_datalist(folder: Path, texts: Mapping[str, str] | None = None) -> Path:
    """Write the data list of an nnU-Net raw data set into its folder; returns the file.

    Args:
        folder: of the data set.
        texts: sentences of test cases, by which they are to be segmented.

    Raises:
        UserError: the data set is not whole, or a case is in the validation part of several folds.
    """
    found = _from_raw(folder)
    held: dict[str, int] = {}
    for number, (_, validation) in enumerate(found.splits):
        for case in validation:
            if case in held:
                raise UserError(f"{folder}: case '{case}' is held out in several folds; correct splits_final.json")
            held[case] = number
    entries = cues_document(found.cues)["cues"]
    document = {
        **{key: value for key, value in cues_document(found.cues).items() if key != "cues"},
        "channel_names": list(found.channel_names),
        "training": [
            {**_relative(folder, item), **entries[case], **({"fold": held[case]} if case in held else {})}
            for case, item in found.cases.items()
        ],
        "test": [
            {**_relative(folder, item), **({"text": texts[item["case"]]} if texts and item["case"] in texts else {})}
            for item in found.test
        ],
    }
    write_json(document, folder / FILE)
    return folder / FILE


def _relative(folder: Path, item: Item) -> Item:
    paths: Item = {"image": [Path(file).relative_to(folder).as_posix() for file in item["image"]]}
    if "label" in item:
        paths["label"] = Path(item["label"]).relative_to(folder).as_posix()
    return {"case": item["case"], **paths}


def read_images(
    folder: Path | str,
    prompts: Path | str | None = None,
    classes: Sequence[str] = (),
    masks: bool = False,
    channels: int = 3,
) -> list[Item]:
    """Cases to segment: the test cases of a data set, or all pictures of a folder.

    Each has a "text", which is empty where nothing is said: the one of ``prompts``, else the one of the data list.

    Args:
        folder: of a data set or of pictures.
        prompts: a file of sentences, as :func:`cuescan.data.prompts.read_prompts` takes it.
        classes: the model's classes.
        masks: take only cases that have a mask.
        channels: that the network takes, by which the channel files of a folder of pictures are told.

    Raises:
        UserError: there is no image, or a prompt has none.
    """
    folder = Path(folder).absolute()
    if (folder / FILE).is_file() or (folder / "dataset.json").is_file():
        items = [dict(item) for item in read_datalist(folder).test if "label" in item or not masks]
    elif folder.is_dir() and not masks:
        items = list_pictures(folder, channels)
    else:
        items = []
    if not items:
        kind = "test image with a mask" if masks else "image to segment"
        raise UserError(f"{folder}: there is no {kind}; correct --dataset_dir")
    given = {} if prompts is None else read_prompts(Path(prompts), classes, [item["case"] for item in items])
    for item in items:
        item["text"] = given.get(item["case"], item.get("text", ""))
        if not masks:
            item.pop("label", None)
    return items
