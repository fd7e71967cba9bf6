"""nnU-Net's data set fingerprint, from whole images: fast, seeded, and without a look at the masks.

nnU-Net takes intensities from foreground pixels and draws 1e8 of them whatever the data set's size. Here they come from
all pixels, so that no dense mask can reach the normalisation of a weak training, and 1e6 are enough for their moments.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
from tqdm import tqdm

from cuescan.errors import UserError

SAMPLES = 1_000_000
"""Pixels per channel over the whole data set."""
FILE = "dataset_fingerprint.json"

_Job = tuple[str, list[str], Any, int, int, int]


def _read_case(job: _Job) -> tuple[list[int], list[float], np.ndarray, float]:
    case, files, reader, channels, samples, seed = job
    try:
        image, properties = reader().read_images(files)
    except Exception as error:  # readers raise whatever their libraries do
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{files[0]}: case '{case}' cannot be read ({reason}); repair or remove the image") from None
    if len(image) != channels:
        raise UserError(
            f"{files[0]}: case '{case}' has {len(image)} channels but dataset.json names {channels}; make them the same"
        )
    if image.shape[1] != 1:
        raise UserError(
            f"{files[0]}: case '{case}' is a volume of {image.shape[1]} slices but cuescan learns from 2-D images; "
            "make a case of each slice"
        )
    if not np.any(image):
        raise UserError(f"{files[0]}: case '{case}' is empty (all pixels are 0 or there are none); remove the image")
    if not np.all(np.isfinite(image)):
        raise UserError(f"{files[0]}: case '{case}' has pixels that are not finite numbers; repair the image")
    cropped = crop_to_nonzero(image)[0]
    pixels = cropped.reshape(channels, -1)
    drawn = pixels[:, np.random.default_rng(seed).integers(0, pixels.shape[1], samples)]
    share = float(np.prod(cropped.shape[1:]) / np.prod(image.shape[1:]))
    return list(cropped.shape[1:]), [float(s) for s in properties["spacing"]], drawn, share


def _statistics(values: np.ndarray) -> dict[str, float]:
    low, median, high = np.percentile(values, (0.5, 50.0, 99.5))
    return {
        "mean": float(values.mean()),
        "median": float(median),
        "std": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
        "percentile_99_5": float(high),
        "percentile_00_5": float(low),
    }


def extract_fingerprint(
    cases: Mapping[str, Sequence[str]], dataset_json: dict[str, Any], processes: int = 1
) -> dict[str, Any]:
    """Return the fingerprint of a data set of 2-D images, in nnU-Net's form.

    Args:
        cases: case name -> files of its channels.
        dataset_json: content of dataset.json.
        processes: that read images; 1 reads in this process.

    Raises:
        UserError: an image cannot be read, is empty, a volume, or has other channels; names the file and the case.
    """
    reader = determine_reader_writer_from_dataset_json(dataset_json, next(iter(cases.values()))[0], verbose=False)
    channels = len(dataset_json["channel_names"])
    each = max(1, SAMPLES // len(cases))
    jobs = [(case, list(cases[case]), reader, channels, each, seed) for seed, case in enumerate(sorted(cases))]
    if processes == 1:
        read = list(_with_progress(map(_read_case, jobs), len(jobs)))
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            read = list(_with_progress(pool.imap(_read_case, jobs, chunksize=8), len(jobs)))
    shapes, spacings, drawn, shares = zip(*read, strict=True)
    values = np.concatenate(drawn, axis=1)
    return {
        "spacings": list(spacings),
        "shapes_after_crop": list(shapes),
        "foreground_intensity_properties_per_channel": {str(c): _statistics(values[c]) for c in range(channels)},
        "median_relative_size_after_cropping": float(np.median(shares)),
    }


def _with_progress(results: Iterable, total: int) -> Iterable:
    return tqdm(results, total=total, desc="reading images", unit="image")


def write_json(content: Any, path: Path) -> None:
    """Write a JSON file atomically."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(content, indent=4), encoding="utf-8")
    partial.replace(path)
