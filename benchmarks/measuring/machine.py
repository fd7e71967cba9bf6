"""What the numbers were measured on and with."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import cuescan

PACKAGES = ("torch", "numba", "triton", "mambapy", "mamba-ssm")


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8", errors="replace").splitlines() if table.is_file() else []
    named = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    except OSError:  # no git
        return None
    return None if done.returncode else done.stdout.strip()


def _checkout() -> dict[str, Any]:
    """The commit of the cuescan that is imported, and whether its files differ from it; None outside a checkout."""
    folder = Path(cuescan.__file__).parents[1]
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != folder.resolve():
        return {"commit": None, "dirty": None}
    return {
        "commit": _git(folder, "rev-parse", "HEAD"),
        "dirty": bool(_git(folder, "status", "--porcelain", "--", "cuescan", "benchmarks")),
    }


def about(threads: int, device: str) -> dict[str, Any]:
    """Machine and software, and torch's threads and device."""
    return {
        "processor": _processor(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "device": device,
        "system": platform.platform(),
        "python": platform.python_version(),
        "cuescan": cuescan.__version__,
        **_checkout(),
        "packages": {package: _version(package) for package in PACKAGES},
    }


def in_words(found: dict[str, Any]) -> str:
    """What :func:`about` found, in four lines."""
    load = "" if found["load"] is None else f", load {found['load']:.1f} at the start"
    commit = f"commit {found['commit'][:9]}" if found["commit"] else "no checkout"
    changes = " with uncommitted changes" if found["dirty"] else ""
    packages = ", ".join(f"{name} {number or 'not installed'}" for name, number in found["packages"].items())
    return (
        f"{found['processor']} ({found['vectors']}), {found['cores']} cores{load}; GPU: {found['gpu'] or 'none'}\n"
        f"threads used: {found['threads']}, OMP_WAIT_POLICY {found['wait_policy'] or 'not set'}; on {found['device']}\n"
        f"cuescan {found['cuescan']}, {commit}{changes}; Python {found['python']}, {found['system']}\n"
        f"{packages}"
    )
