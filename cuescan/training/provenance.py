"""Which software trained a network."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cuescan

PACKAGES = ("torch", "torchvision", "nnunetv2", "monai", "timm", "open_clip_torch", "numpy", "numba")


def versions() -> dict[str, str]:
    """Return the versions of cuescan and of what its results depend on."""
    found = {"cuescan": cuescan.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit(folder: Path = Path(cuescan.__file__).parents[1]) -> str | None:
    """Return the commit of the checkout in ``folder``, or None outside a checkout."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head
        reference = head[len("ref: ") :]
        loose = git / reference
        if loose.is_file():
            return loose.read_text(encoding="ascii").strip()
        packed = (git / "packed-refs").read_text(encoding="ascii").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), None)
    except (OSError, UnicodeDecodeError):
        return None
