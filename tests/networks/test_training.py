"""What training asks of a network: half precision, checkpointing, reproducible steps, copies."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cuescan.losses import DeepContrastLoss
from cuescan.networks import PathMamba

GPU = pytest.param("cuda", marks=pytest.mark.gpu)
SCALE = 65536  # torch's GradScaler starts with it


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def step(network: PathMamba, scale: float = 1.0, dtype: torch.dtype | None = None) -> tuple[float, list[Tensor]]:
    """The loss of one training step, and the gradients of ``scale`` times it."""
    device = next(network.parameters()).device
    image = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(1)).to(device)
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]], device=device)
    network.deep_supervision = True
    network.zero_grad()
    with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
        loss = DeepContrastLoss()(network(image), labels)
    (scale * loss).backward()
    return loss.item(), [p.grad.float() / scale for p in network.parameters() if p.grad is not None]


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_half_precision_is_close_to_single(device: str, dtype: torch.dtype, tolerance: float) -> None:
    network = PathMamba(3, 2).to(device).eval()
    expected, gradients = step(network)
    loss, half = step(network, SCALE if dtype == torch.float16 else 1, dtype)
    assert loss == pytest.approx(expected, rel=1e-3)
    error = sum((a - b).square().sum() for a, b in zip(half, gradients, strict=True))
    assert error.sqrt() < tolerance * sum(b.square().sum() for b in gradients).sqrt()
    network.deep_supervision = False
    image = torch.rand(1, 3, 50, 40, device=device)
    with torch.no_grad(), torch.autocast(device, dtype):
        logits = network(image)
    with torch.no_grad():
        torch.testing.assert_close(logits, network(image), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("attention", [-20.0, 0.0, 20.0])
def test_float16_gradients_stay_finite_when_attention_saturates(device: str, attention: float) -> None:
    network = PathMamba(3, 2).to(device)
    torch.nn.init.constant_(network.attention_head.bias, attention)
    loss, gradients = step(network, SCALE, torch.float16)
    assert torch.isfinite(torch.tensor(loss)) and all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpointing_changes_no_gradient(use_reentrant: bool) -> None:
    network = PathMamba(3, 2).eval()
    image = torch.rand(2, 3, 32, 48, requires_grad=True)  # the reentrant kind needs an input with a gradient
    results = []
    for run in (network, lambda x: checkpoint(network, x, use_reentrant=use_reentrant)):
        network.zero_grad()
        image.grad = None
        run(image).square().mean().backward()
        results.append([image.grad, *(p.grad for p in network.parameters() if p.grad is not None)])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_equal_seeds_give_equal_bits_with_any_number_of_threads(number: int, threads: None) -> None:
    torch.set_num_threads(number)
    results = []
    for _ in range(2):
        torch.manual_seed(7)
        results.append(step(PathMamba(3, 2)))
    assert results[0][0] == results[1][0] and all(
        torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True)
    )


def test_the_number_of_threads_changes_no_more_than_rounding(threads: None) -> None:
    network = PathMamba(3, 2).eval()
    results = []
    for number in (1, 3):  # torch's convolutions and matrix products sum in another order; the scan does not
        torch.set_num_threads(number)
        results.append(step(network))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(a, b, atol=1e-4 * b.abs().max().item() + 1e-9, rtol=1e-3)


def test_copies_compute_the_same(tmp_path: Path) -> None:
    network = PathMamba(3, 2, exclusive=True).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    loaded = PathMamba(3, 2, exclusive=True).eval()
    loaded.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    image = torch.rand(1, 3, 40, 32)
    with torch.no_grad():
        for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), loaded):
            assert torch.equal(other(image), network(image))


def test_networks_import_with_torch_alone() -> None:
    names = ("timm", "torchvision", "numba", "triton", "safetensors", "nnunetv2", "monai")
    code = f"import sys; sys.modules.update(dict.fromkeys({names})); import cuescan.networks; print('ok')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout == "ok\n", done.stderr
