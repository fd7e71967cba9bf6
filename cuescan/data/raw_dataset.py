"""Write a complete nnU-Net raw data set with cues and folds, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from cuescan import __version__
from cuescan.cues import Cue, Cues, write_cues
from cuescan.cues.checking import check_classes
from cuescan.cues.writing import write_json
from cuescan.data.destination import complete_folder, dataset_folder, raw_root
from cuescan.data.folds import groups_of, make_folds
from cuescan.data.images import Header, Picture
from cuescan.data.pixel_files import PixelFiles
from cuescan.errors import UserError

TRAINING, TEST, VALIDATION = "Tr", "Ts", "Val"


@dataclass(frozen=True)
class Sample:
    """One case, ready to be written.

    Attributes:
        name: the case's name, a file name without ending.
        picture: its image.
        mask: (H, W) label integers: 0 background, class i is i + 1, ignore K + 1. Serves evaluation only.
        cue: its cue; every training case needs one.
        group: patient or slide; None makes the case a group of its own.
        part: "Tr" (training), "Ts" (test) or "Val" (validation images that take no part in training).
    """

    name: str
    picture: Picture
    mask: np.ndarray | None = None
    cue: Cue | None = None
    group: str | None = None
    part: str = TRAINING


Source = Callable[[], Iterable[Sample]]
"""Reads one original image and yields the cases it gives; called once, in any thread."""


@dataclass(frozen=True)
class RawDataset:
    """What a raw data set is, apart from its cases.

    Attributes:
        dataset_id: 1 ... 999.
        name: what follows ``DatasetXXX_``.
        classes: the K class names.
        background: False where every pixel belongs to a class.
        header: channels, value type and modality that all images share.
        facts: further entries of dataset.json (licence, reference); never a patient's.
    """

    dataset_id: int
    name: str
    classes: Sequence[str]
    background: bool = True
    header: Header = Header((0, 0), 3, "uint8")
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, int]:
        """nnU-Net's labels: background 0, class i -> i + 1, ignore K + 1."""
        names = ["background", *self.classes, "ignore"]
        return {name: number for number, name in enumerate(names)}

    def document(self, training_cases: int) -> dict[str, Any]:
        """The content of dataset.json."""
        return {
            "name": self.name,
            "channel_names": {str(number): self.header.channel_name for number in range(self.header.channels)},
            "labels": self.labels,
            "background": self.background,
            "numTraining": training_cases,
            "file_ending": ".nii.gz" if self.header.medical else ".png",
            "overwrite_image_reader_writer": "SimpleITKIO" if self.header.medical else "NaturalImage2DIO",
            "cuescan": {"version": __version__},
            **self.facts,
        }


@dataclass(frozen=True)
class _Written:
    name: str
    cue: Cue | None
    group: str | None
    part: str


def _write_source(source: Source, files: PixelFiles) -> list[_Written]:
    written = []
    for sample in source():
        if sample.part == TRAINING and sample.cue is None:
            raise UserError(f"case '{sample.name}' has no cue; add one or remove the image")
        files.write_image(sample.name, sample.picture, sample.part)
        if sample.part == TRAINING or sample.mask is not None:
            files.write_mask(sample.name, sample.picture, sample.mask, sample.part)
        written.append(_Written(sample.name, sample.cue, sample.group, sample.part))
    return written


def _write_all(sources: Sequence[Source], files: PixelFiles, workers: int, description: str) -> list[_Written]:
    """Write in threads: decoding and compressing leave Python's lock, and no start method matters."""
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(sources), desc=description, unit="image", disable=None) as bar,
    ):
        futures = [pool.submit(_write_source, source, files) for source in sources]
        try:
            for future in as_completed(futures):
                future.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        return [case for future in futures for case in future.result()]


def _check_names(cases: Iterable[_Written]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for case in cases:
        key = (case.part, case.name.casefold())
        if key in seen:
            raise UserError(f"case '{case.name}' stands twice (as '{seen[key]}'); rename one of the two images")
        seen[key] = case.name


def write_raw_dataset(
    dataset: RawDataset,
    sources: Sequence[Source],
    output: Path | None = None,
    folds: int = 5,
    seed: int = 0,
    overwrite: bool = False,
    workers: int = 2,
) -> Path:
    """Write images, masks, cues, folds and dataset.json to ``output/DatasetXXX_Name``, atomically.

    A training case without a mask gets one that is all ``ignore``.

    Args:
        dataset: id, name, classes and format.
        sources: one per original image.
        output: the folder of raw data sets; None for ``$nnUNet_raw``.
        folds: cross-validation folds, never parting a group.
        seed: of the folds.
        overwrite: replace a data set of the same id and name once the new one is complete.
        workers: threads.

    Returns:
        The data set's folder.

    Raises:
        UserError: anything wrong with the cases or the destination; then nothing is written or replaced.
    """
    check_classes(dataset.classes, dataset.name)
    folder = dataset_folder(raw_root(output), dataset.dataset_id, dataset.name, overwrite)
    with complete_folder(folder) as new:
        files = PixelFiles(new, dataset.header, ignore=len(dataset.classes) + 1)
        cases = _write_all(sources, files, workers, dataset.name)
        _check_names(cases)
        training = sorted((case for case in cases if case.part == TRAINING), key=lambda case: case.name)
        groups = groups_of([case.name for case in training], [case.group for case in training])
        write_json(make_folds(groups, folds, seed), new / "splits_final.json")
        cues = {case.name: case.cue for case in training if case.cue is not None}
        write_cues(Cues(tuple(dataset.classes), dataset.background, cues), new / "cues.json")
        write_json(dataset.document(len(training)), new / "dataset.json")
    return folder
