"""Lets the tests of this folder import what ``benchmarks/scan.py`` imports."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "benchmarks")]
