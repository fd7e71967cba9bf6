"""Whole preprocessed images in batches whose content depends on the seed alone, not on processes or resumption."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from cuescan.cues.language import Turn
from cuescan.training.augmentation import Augmentation, turned
from cuescan.training.padding import centred_slices, padding_mask, random_window
from cuescan.training.parts import CaseParts
from cuescan.training.stains import outside_nuclei

Address = tuple[int, int, int]
"""(epoch, position in the epoch, number of the case)."""


def raw_geometry(properties: Mapping[str, Any]) -> tuple[tuple[int, int], tuple[float, float, float, float]]:
    """Of a case that nnU-Net preprocessed: (height, width) of the raw image, and what was kept of it.

    Returns:
        The shape, and left, top, right, bottom of the kept part as shares of the raw image.
    """
    height, width = (int(side) for side in properties["shape_before_cropping"][1:])
    (top, bottom), (left, right) = properties["bbox_used_for_cropping"][1:]
    return (height, width), (left / width, top / height, right / width, bottom / height)


class WholeImages(Dataset):
    """Preprocessed cases, padded to the patch, with a mask of the pixels that are image; or random windows of them.

    An item has ``data`` (C, H, W) float32, ``valid`` (1, H, W) bool and ``keys``, the case; for cues that speak of
    places also ``shape`` (2,), height and width of the raw image, ``crop`` (4,), left, top, right, bottom of what
    preprocessing kept of it, as shares, and ``turn`` (3,) bool, how it was then turned. Only if ``masks`` is set it has
    ``target`` (1, H, W) int64, -1 where padded: of the training items only those of a trainer that learns from masks
    carry one. Only if ``nuclei`` is set it has ``empty`` (1, H, W) bool, where no nucleus can lie. Only if ``parts`` is
    given it has ``boxes`` (N, 4) and ``box_labels`` (N, K), float32 (:class:`cuescan.training.parts.Parts`).

    Args:
        source: nnU-Net's data set of preprocessed cases.
        cases: names of the cases.
        patch_size: (height, width) of every item.
        seed: of the augmentation.
        augmentation: None for the image as it is.
        may_turn: for every case whether it may be mirrored and turned.
        may_stain: for every case whether its colours may change.
        masks: add the reference masks.
        parts: of the cases, where cues label parts of images.
        nuclei: add where no nucleus can lie (:func:`cuescan.training.stains.outside_nuclei`).
        window: side of the square windows that items show instead of whole images, at most the patch's longer side;
            None for whole images. What cues say of whole images, labels and places, does not hold for a window.
    """

    def __init__(
        self,
        source: Any,
        cases: Sequence[str],
        patch_size: Sequence[int],
        seed: int = 0,
        augmentation: Augmentation | None = None,
        may_turn: Sequence[bool] = (),
        may_stain: Sequence[bool] = (),
        masks: bool = False,
        parts: CaseParts | None = None,
        nuclei: bool = False,
        window: int | None = None,
    ):
        self.source = source
        self.cases = list(cases)
        self.side = None if window is None else min(window, max(patch_size))
        self.patch_size = tuple(patch_size) if self.side is None else (self.side, self.side)
        self.seed = seed
        self.augmentation = augmentation
        self.may_turn, self.may_stain = list(may_turn), list(may_stain)
        self.masks, self.parts, self.nuclei = masks, parts, nuclei

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, address: Address) -> dict[str, Any]:
        epoch, position, number = address
        case = self.cases[number]
        data, target, _, properties = self.source.load_case(case)
        image, turn = np.asarray(data[:], dtype=np.float32)[:, 0], Turn()
        size, window, seen = image.shape[1:], None, (slice(None), slice(None))
        generator = np.random.default_rng([self.seed, epoch, position])
        outside = outside_nuclei(image) if self.nuclei else None
        if self.side is not None:
            window = random_window(size, self.side, generator)
            seen = slice(window[0], window[2]), slice(window[1], window[3])
            image = image[(slice(None), *seen)]
        if self.augmentation is not None:
            image, turn = self.augmentation(image, generator, self.may_turn[number], self.may_stain[number])
        rows, columns = centred_slices(image.shape[1:], self.patch_size)
        padded = np.zeros((len(image), *self.patch_size), dtype=np.float32)
        padded[:, rows, columns] = image
        shape, crop = raw_geometry(properties)
        item = {
            "data": torch.from_numpy(padded),
            "valid": padding_mask(image.shape[1:], self.patch_size)[0],
            "keys": case,
            "shape": torch.tensor(shape),
            "crop": torch.tensor(crop),
            "turn": torch.tensor([turn.transpose, turn.flip_rows, turn.flip_columns]),
        }
        if self.masks:
            reference = np.full((1, *self.patch_size), -1, dtype=np.int64)
            # nnU-Net marks black surroundings, which belong to the background, with -1
            reference[:, rows, columns] = turned(np.maximum(np.asarray(target[:])[(slice(None), 0, *seen)], 0), turn)
            item["target"] = torch.from_numpy(reference)
        if outside is not None:
            empty = np.ones((1, *self.patch_size), dtype=bool)
            empty[:, rows, columns] = turned(outside[(None, *seen)], turn)
            item["empty"] = torch.from_numpy(empty)
        if self.parts is not None:
            found = self.parts(case, shape, crop, size, turn, (rows.start, columns.start), window)
            item["boxes"], item["box_labels"] = (torch.from_numpy(values) for values in found)
        return item


class EndlessTraining(Sampler[list[Address]]):
    """Batches of addresses, epoch after epoch, each epoch in an order drawn from (seed, epoch).

    Every batch is full: the last one of an epoch is filled from the beginning of the epoch's order. Of every batch only
    ``part`` is given out, a process's share.
    """

    def __init__(self, number: int, batch_size: int, iterations: int, seed: int, first_epoch: int, part: slice):
        self.number, self.batch_size, self.iterations = number, batch_size, iterations
        self.seed, self.first_epoch, self.part = seed, first_epoch, part

    def __iter__(self) -> Iterator[list[Address]]:
        for epoch in itertools.count(self.first_epoch):
            order = np.random.default_rng([self.seed, epoch]).permutation(self.number)
            for start in range(0, self.iterations * self.batch_size, self.batch_size):
                positions = range(start, start + self.batch_size)[self.part]
                yield [(epoch, position, int(order[position % self.number])) for position in positions]


class EndlessValidation(Sampler[list[Address]]):
    """Batches over the same cases in the same order, again and again."""

    def __init__(self, numbers: Sequence[int], batch_size: int):
        self.batches = [
            [(0, number, number) for number in numbers[start : start + batch_size]]
            for start in range(0, len(numbers), batch_size)
        ]

    def __iter__(self) -> Iterator[list[Address]]:
        return itertools.cycle(self.batches)


def endless_batches(
    images: WholeImages, batches: Sampler[list[Address]], workers: int, pin_memory: bool
) -> Iterator[dict[str, Any]]:
    """Iterate over collated batches in ``workers`` processes (0: in this one)."""
    return iter(DataLoader(images, batch_sampler=batches, num_workers=workers, pin_memory=pin_memory))
