"""Versions of Python, of cuescan and of the packages that matter to it."""

from __future__ import annotations

import importlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

import cuescan
from cuescan.training.provenance import commit

REQUIRED = ("torch", "torchvision", "numpy", "numba", "llvmlite", "timm", "open_clip_torch", "nnunetv2")
OPTIONAL = ("triton", "mamba-ssm", "monai")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _import_error(module: str) -> str | None:
    try:
        importlib.import_module(module)
    except Exception as error:  # a build for another torch raises RuntimeError
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return None


def software() -> dict[str, Any]:
    """Versions; None stands for what is not installed."""
    packages = {package: _version(package) for package in (*REQUIRED, *OPTIONAL)}
    return {
        "cuescan": cuescan.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "torch_cuda": torch.version.cuda,
        "torch_hip": torch.version.hip,
        "cudnn": torch.backends.cudnn.version(),
        "torchvision_error": _import_error("torchvision") if packages["torchvision"] else None,
    }


def problems(found: dict[str, Any]) -> list[str]:
    """What is broken, out of what :func:`software` found."""
    error = found["torchvision_error"]
    return [f"torchvision does not fit this torch ({error}): install both together"] if error else []


def advice(found: dict[str, Any]) -> list[str]:
    """What to install, out of what :func:`software` found."""
    missing = [package for package in REQUIRED if found["packages"][package] is None]
    return [f"required packages are missing: pip install {' '.join(missing)}"] if missing else []
