"""Draw the benchmark's synthetic tissue: train/ and test/, each with images, masks and image-level labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from cuescan.data.synthetic import make_histology


def main() -> None:
    """Draw both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--cases", type=int, required=True, help="training images")
    parser.add_argument("--test-cases", type=int, required=True, help="test images")
    parser.add_argument("--size", type=int, required=True, help="side in pixels")
    options = parser.parse_args()
    make_histology(options.output / "train", options.cases, options.size, seed=0)
    make_histology(options.output / "test", options.test_cases, options.size, seed=1)


if __name__ == "__main__":
    main()
