"""torch.compile: one graph, without breaks, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cuescan.networks import PathMamba
from cuescan.networks.contrastive_mamba import ContrastiveMambaBlock
from cuescan.networks.fusion import BiDF
from cuescan.networks.vss import SelectiveScan2d

INDUCTOR = pytest.param("inductor", marks=pytest.mark.slow)


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # whose keys know nothing of an operator's own changes
    torch.manual_seed(0)
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def check(network: nn.Module, compiled: nn.Module, *arguments: Tensor) -> None:
    """The same output and gradients, to 1e-4 of the largest gradient of each parameter."""
    results = []
    for function in (network, compiled):
        network.zero_grad()
        output = function(*arguments)
        output.backward(torch.randn(output.shape, generator=torch.Generator().manual_seed(0)).to(output.device))
        results.append((output.detach(), [p.grad for p in network.parameters() if p.grad is not None]))
    (output, gradients), (compiled_output, compiled_gradients) = results
    torch.testing.assert_close(compiled_output, output, atol=1e-5, rtol=1e-4)
    for got, expected in zip(compiled_gradients, gradients, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4 * expected.abs().max().item() + 1e-9, rtol=1e-4)


def test_a_scan_compiled_to_machine_code() -> None:
    scan = SelectiveScan2d(16, 4)
    check(scan, torch.compile(scan, fullgraph=True, backend="inductor"), torch.rand(2, 16, 5, 7))


@pytest.mark.parametrize("compiler", ["aot_eager", INDUCTOR])
def test_a_block_at_two_sizes(compiler: str) -> None:
    block = ContrastiveMambaBlock(16, 4)
    compiled = torch.compile(block, fullgraph=True, backend=compiler)
    for height, width in ((5, 7), (9, 4)):
        patches, pixels, attention = (torch.rand(2, channels, height, width) for channels in (16, 16, 1))
        check(block, compiled, patches, pixels, attention)


@pytest.mark.parametrize("compiler", ["aot_eager", INDUCTOR])
def test_a_whole_network(compiler: str) -> None:
    network = PathMamba(3, 2).eval()
    check(network, torch.compile(network, fullgraph=True, backend=compiler), torch.rand(2, 3, 32, 48))


@pytest.mark.gpu
def test_a_whole_network_on_a_gpu() -> None:
    network = PathMamba(3, 2).eval().cuda()
    with torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        check(network, torch.compile(network, fullgraph=True), torch.rand(2, 3, 64, 96, device="cuda"))


def test_fusion_in_one_graph() -> None:
    fusion = BiDF(8, 16, 4)
    compiled = torch.compile(fusion, fullgraph=True, backend="aot_eager")
    for height, width in ((5, 7), (12, 9)):
        check(fusion, compiled, torch.rand(2, 8, height, width), torch.randn(2, 16), torch.rand(2, 6, height, width))
