"""The program of docs/deployment.md runs a bundle's file without cuescan and MONAI, and gives the bundle's mask."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from monai.bundle import ckpt_export
from PIL import Image
from tiny_bundles import ROOT, environment, segment

WATCH = """
import sys
sys.argv = sys.argv[1:]
exec(compile(open(sys.argv[0]).read(), "segment.py", "exec"))
print(sorted({name.partition(".")[0] for name in sys.modules} & {"cuescan", "monai", "ignite", "timm", "numba"}))
"""


def program() -> str:
    text = (ROOT / "docs" / "deployment.md").read_text()
    (found,) = re.findall(r"```python\n(# segment\.py:.*?)```", text, flags=re.DOTALL)
    return found


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_the_documented_program_needs_torch_alone(bundle, tmp_path):
    metadata = bundle.models / "metadata.json"
    known = {"meta_file": str(metadata), "config_file": bundle.path("inference"), "bundle_root": str(bundle.root)}
    weights = str(bundle.models / "model.pt")
    ckpt_export("network_def", filepath=str(tmp_path / "model.ts"), ckpt_file=weights, **known)
    picture = sorted((bundle.data / "imagesTs").iterdir())[0]
    (tmp_path / "segment.py").write_text(program())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WATCH, "segment.py", "model.ts", str(picture), "mask.png"],
        cwd=tmp_path, env=environment() | {"PYTHONPATH": ""}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *shares, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    labels = json.loads(metadata.read_text())["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert [line.split()[0] for line in shares] == list(labels.values())
    assert sum(float(line.split()[1][:-1]) for line in shares) == pytest.approx(100, abs=0.3)

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.open(picture).save(pictures / "p.png")
    expected = segment(bundle, pictures, tmp_path / "masks", mirror_axes=[])
    mask = np.asarray(Image.open(tmp_path / "mask.png"))
    assert mask.shape == (48, 64) and np.array_equal(mask, expected["p"])
