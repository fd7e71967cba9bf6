"""``import cuescan`` stays light: no training pipeline, bundle or compiler is imported with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("nnunetv2", "monai", "open_clip", "numba", "triton")
CHECK = "import sys; {statement}; print(*[name for name in {heavy} if name in sys.modules])"


def imported_by(statement: str) -> list[str]:
    """Which of the heavy packages a statement imports, in a fresh interpreter."""
    code = CHECK.format(statement=statement, heavy=HEAVY)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    return result.stdout.split()


@pytest.mark.parametrize("module", ["cuescan", "cuescan.cli", "cuescan.cues", "cuescan.encoders", "cuescan.evaluation"])
def test_light_modules(module):
    assert imported_by(f"import {module}") == []


def test_the_check_can_fail():
    assert imported_by("import cuescan, numba") == ["numba"]
