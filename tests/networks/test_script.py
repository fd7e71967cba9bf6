"""TorchScript: a scripted network computes the same and stands in a file of its own."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cuescan.networks import PathMamba, TIFCMamba

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
LOAD = """
import sys, torch
network = torch.jit.load("scripted.pt")
cases = torch.load("cases.pt")
with torch.no_grad():
    print(all(torch.allclose(network(image), logits, atol=1e-5) for image, logits in cases))
print(sorted({name.partition(".")[0] for name in sys.modules} & {"cuescan", "timm", "numba", "triton"}))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"miml": False},
        {"cmb": False, "exclusive": True, "background": False},
        {
            "contrast": False,
            "exclusive": True,
            "borders": "replicate",
            "context": 2,
            "smoothing": 49,
            "image_scale": 1.5,
            "trunk": {"stages": 4, "frozen_norm": True},
        },
    ],
    ids=["all parts", "without pixel branch", "without Mamba", "without contrast"],
)
def test_scripted_equals_eager_at_any_size(arguments: dict) -> None:
    torch.manual_seed(0)
    network = PathMamba(3, 2, **arguments).eval()
    scripted = torch.jit.script(network)
    with torch.no_grad():
        for shape in ((32, 48), (64, 40), (35, 50), (32, 48)):
            image = torch.rand(2, 3, *shape)
            torch.testing.assert_close(scripted(image), network(image), atol=1e-5, rtol=1e-5)


def test_a_saved_network_needs_torch_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = PathMamba(1, 2).eval()
    network.deep_supervision = True  # as training leaves it: a scripted network gives logits all the same
    torch.jit.save(torch.jit.script(network), tmp_path / "scripted.pt")
    network.deep_supervision = False
    images = [torch.rand(1, 1, *shape) for shape in ((32, 48), (80, 33))]
    with torch.no_grad():
        torch.save([(image, network(image)) for image in images], tmp_path / "cases.pt")
    command = [sys.executable, "-W", "ignore", "-c", LOAD]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout.split("\n")[:2] == ["True", "[]"], done.stderr


def test_a_frozen_script_still_agrees() -> None:
    network = PathMamba(3, 2).eval()
    frozen = torch.jit.freeze(torch.jit.script(network))
    image = torch.rand(1, 3, 48, 32)
    with torch.no_grad():
        torch.testing.assert_close(frozen(image), network(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"token_dim": 12, "input_mean": [0.5] * 3, "trunk": {"stages": 4, "frozen_norm": True}},
        {"space": False, "channel": False, "grounding": False},
    ],
    ids=["all parts", "plain fusion"],
)
def test_prompts_reach_a_scripted_network(arguments: dict) -> None:
    torch.manual_seed(0)
    network = TIFCMamba(3, 2, 16, **arguments).eval()
    network.prompts.copy_(torch.randn(2, 16))
    scripted = torch.jit.script(network)
    place = torch.full((2, 2, 4, 6), math.nan)
    place[0, 1, 0] = torch.tensor([0.2, 0.1, 0.7, 0.6, 1.0, 0.15])
    with torch.no_grad():
        for shape in ((32, 48), (70, 41)):
            image, text = torch.rand(2, 3, *shape), torch.randn(2, 2, 16)
            for inputs in ((image,), (image, text), (image, text, place)):
                torch.testing.assert_close(scripted(*inputs), network(*inputs), atol=1e-5, rtol=1e-5)
