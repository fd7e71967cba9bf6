"""torch.export: one program for images of any size, or plain torch operations for one size."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.export import Dim

from cuescan.networks import PathMamba, TIFCMamba
from cuescan.networks.vss import SelectiveScan2d
from cuescan.scan import backend

LOAD = """
import sys, torch
{first}
network = torch.export.load("network.pt2").module()
with torch.no_grad():
    print(all(torch.allclose(network(x), y, atol=1e-5) for x, y in torch.load("cases.pt")))
print("cuescan" in sys.modules)
"""
REGISTER = "import cuescan.scan; cuescan.scan.available_backends()"
OPEN = {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}


def operators(program: torch.export.ExportedProgram) -> set[str]:
    """Namespaces of the operators of a program."""
    targets = (node.target for node in program.graph.nodes if node.op == "call_function")
    return {target.namespace for target in targets if isinstance(target, torch._ops.OpOverload)}


def reloaded(network: torch.nn.Module, program: torch.export.ExportedProgram, folder: Path, shapes: list, first: str):
    """What a fresh process says: whether the saved program agrees with the network, and whether cuescan is there."""
    torch.export.save(program, folder / "network.pt2")
    images = [torch.rand(shape) for shape in shapes]
    with torch.no_grad():
        torch.save([(image, network(image)) for image in images], folder / "cases.pt")
    command = [sys.executable, "-W", "ignore", "-c", LOAD.format(first=first)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_one_program_for_any_batch_and_size() -> None:
    torch.manual_seed(0)
    network = PathMamba(3, 2).eval()
    program = torch.export.export(network, (torch.rand(2, 3, 64, 96),), dynamic_shapes=(OPEN,))
    assert operators(program) == {"aten", "cuescan"}
    module = program.module()
    with torch.no_grad():
        for shape in ((2, 3, 64, 96), (1, 3, 32, 48), (3, 3, 35, 50), (1, 3, 160, 128)):
            image = torch.rand(shape)
            torch.testing.assert_close(module(image), network(image), atol=1e-5, rtol=1e-5)


def test_one_program_for_any_image_and_prompt() -> None:
    torch.manual_seed(0)
    network = TIFCMamba(3, 1, 16).eval()
    network.prompts.copy_(torch.randn(1, 16))
    place = torch.full((2, 1, 4, 6), math.nan)
    place[:, :, 0] = torch.tensor([0.2, 0.1, 0.7, 0.6, 1.0, 0.15])
    inputs = (torch.rand(2, 3, 64, 96), torch.randn(2, 1, 16), place)
    batch = {0: Dim.AUTO}
    program = torch.export.export(network, inputs, dynamic_shapes=(OPEN, batch, batch)).module()
    with torch.no_grad():
        for shape in ((2, 3, 64, 96), (1, 3, 35, 50), (3, 3, 160, 128)):
            given = (torch.rand(shape), torch.randn(shape[0], 1, 16), place[:1].expand(shape[0], -1, -1, -1))
            torch.testing.assert_close(program(*given), network(*given), atol=1e-5, rtol=1e-5)


def test_a_saved_program_needs_the_scan(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SelectiveScan2d(8, 3).eval()
    program = torch.export.export(network, (torch.rand(2, 8, 4, 6),), dynamic_shapes=(OPEN,))
    shapes = [(2, 8, 4, 6), (1, 8, 7, 3), (3, 8, 10, 20)]
    assert reloaded(network, program, tmp_path, shapes, REGISTER) == ["True", "True"]


def test_the_naive_backend_leaves_plain_operations_of_one_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SelectiveScan2d(8, 3).eval()
    for shape in ((2, 8, 3, 4), (1, 8, 5, 2)):
        with backend("naive"):
            program = torch.export.export(network, (torch.rand(shape),))
        assert operators(program) == {"aten"}
        image = torch.rand(shape)
        torch.testing.assert_close(program.module()(image), network(image), atol=1e-5, rtol=1e-5)
    assert reloaded(network, program, tmp_path, [shape], "") == ["True", "False"]


@pytest.mark.slow
def test_a_saved_network(tmp_path: Path) -> None:
    network = PathMamba(3, 2).eval()
    program = torch.export.export(network, (torch.rand(2, 3, 64, 96),), dynamic_shapes=(OPEN,))
    shapes = [(2, 3, 64, 96), (1, 3, 35, 50)]
    assert reloaded(network, program, tmp_path, shapes, REGISTER) == ["True", "True"]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 3, 32, 48), (1, 3, 64, 32)])
def test_a_whole_network_of_plain_operations(tmp_path: Path, shape: tuple[int, ...]) -> None:
    network = PathMamba(3, 2).eval()
    with backend("naive"):
        program = torch.export.export(network, (torch.rand(shape),))
    assert operators(program) == {"aten"}
    assert reloaded(network, program, tmp_path, [shape], "") == ["True", "False"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {"miml": False},
        {"cmb": False, "exclusive": True},
        {"contrast": False, "background": False, "image_scale": 1.5, "trunk": {"stages": 4, "frozen_norm": True}},
        {"size": "S", "image_scale": 2.0, "context": 2, "smoothing": 49},
    ],
)
def test_every_part_keeps_open_sizes(arguments: dict) -> None:
    network = PathMamba(3, 2, **arguments).eval()
    module = torch.export.export(network, (torch.rand(2, 3, 64, 96),), dynamic_shapes=(OPEN,)).module()
    with torch.no_grad():
        for shape in ((1, 3, 32, 48), (2, 3, 50, 70)):
            image = torch.rand(shape)
            torch.testing.assert_close(module(image), network(image), atol=1e-5, rtol=1e-5)
