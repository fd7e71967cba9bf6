"""The commands of each bundle's README run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_bundles import BUNDLES, NAMES, environment, visible

SCHEMA = Path(__file__).parents[1] / "data" / "meta_schema_20240725.json"
EMBEDDED = {"pathmamba": "Dataset991_SyntheticTissue", "tifcmamba": "Dataset993_SyntheticPolyps"}
ELSEWHERE = ("/shared/", "$nnUNet_raw", "cuescan prepare", "pip install .", "tensorboard ", "mlflow ui", "first=", "#!")
"""Marks of commands that need other machines, the user's data, or a browser."""


def commands(name: str) -> list[str]:
    """Each command of the README's blocks, on one line."""
    text = (BUNDLES / name / "docs" / "README.md").read_text().replace("\\\n", "")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_names_files_and_keys_that_there_are(name):
    configs = BUNDLES / name / "configs"
    known = {key for file in configs.glob("*.json") for key in json.loads(file.read_text())} | {
        "config_file",
        "tracking",
    }
    seen = 0
    for line in commands(name):
        for file in re.findall(r"configs/(\w+)\.json", line):
            assert (configs / f"{file}.json").is_file(), line
        for option in re.findall(r"--(\w+)", line.partition("monai.bundle run")[2]):
            assert option in known, line
            seen += 1
    assert seen > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_readme_as_it_stands(name, request, tmp_path):
    """In a folder of its own, on the tiny data set, which is put where the embedded one would be drawn."""
    tiny = request.getfixturevalue(name)
    shutil.copytree(tiny.data, tmp_path / "run1" / "data" / EMBEDDED[name])
    (tmp_path / "run1" / "eval").mkdir()
    shutil.copy(SCHEMA, tmp_path / "run1" / "eval" / "schema.json")
    shutil.copytree(tiny.data / "imagesTs", tmp_path / "pictures")
    picture = next((tmp_path / "pictures").iterdir()).stem.removesuffix("_0000")
    (tmp_path / "prompts.json").write_text(json.dumps({picture: "one polyp, upper left"}))
    variables = environment() | {"B": str(BUNDLES / name)}
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
    typed = [line for line in commands(name) if not any(mark in line for mark in ELSEWHERE)]
    typed = [line for line in typed if line.startswith(("python ", "torchrun "))]
    assert len(typed) >= 11
    for line in typed:
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert visible(tmp_path) == {"run1", "pictures", "prompts.json", "masks"}
    made = {path.name for path in (tmp_path / "run1" / "models").iterdir()}
    assert {"model.pt", "model.ts", "model.onnx", "model.json", "metadata.json"} <= made
    assert (tmp_path / "run1" / "eval" / "predictions" / "scores.json").is_file()
