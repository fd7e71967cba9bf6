"""The contestants of one scan: cuescan's backends, mamba.py, and mamba_ssm's sequential reference."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from measuring.contest import Contestant, Layout, leaves, same
from torch import Tensor
from torch.nn import functional as F

from cuescan.scan import available_backends, backend, selective_scan
from cuescan.scan.backends import BACKENDS
from scan_tables.settings import MAMBA_PY, NAIVE, REFERENCE, Size


def given(size: Size, device: str) -> dict[str, Tensor]:
    """Arguments as mamba_ssm takes them, drawn as Mamba initialises them."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    batch, dim, length, state, groups = size.batch, size.dim, size.length, size.state, size.groups
    steps = torch.exp(torch.rand(dim, generator=generator) * math.log(100) + math.log(0.001))  # 0.001 ... 0.1
    drawn = {
        "u": normal(batch, dim, length),
        "delta": 0.5 * normal(batch, dim, length),
        "A": -torch.arange(1.0, state + 1).repeat(dim, 1),
        "B": normal(batch, groups, state, length),
        "C": normal(batch, groups, state, length),
        "D": normal(dim),
        "delta_bias": torch.log(torch.expm1(steps)),
    }
    return {name: tensor.to(device) for name, tensor in drawn.items()}


def ours(device: str) -> list[str]:
    """The fast backends for a device, that of cuescan itself first; naive where there is none."""
    found = [name for name in available_backends() if BACKENDS[name].device == device]
    return sorted(found, key=lambda name: name == "mamba_ssm") or [NAIVE]


def make(name: str, size: Size, tensors: dict[str, Tensor]) -> list[Contestant]:
    """The ways to run a contestant; more than one where it is not clear which is the fastest."""
    if name == MAMBA_PY:
        return _mamba_py(size, tensors)
    if name == REFERENCE:
        run, note = _reference()
        return [Contestant(name, leaves(tensors, same), run, note=note)]

    def scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
        with backend(name):
            return selective_scan(u, delta, A, B, C, D, None, delta_bias, True)

    return [Contestant(name, leaves(tensors, same), scan)]


@functools.cache
def why_not(name: str) -> str:
    """Why a peer cannot take part, or an empty text."""
    if name != MAMBA_PY:
        return ""
    try:
        from mambapy.mamba import MambaBlock  # noqa: F401
        from mambapy.pscan import pscan  # noqa: F401
    except Exception as error:  # whatever is wrong with it, the others can be timed
        return f"{name} is not timed: {type(error).__name__}: {error} (pip install mambapy)"
    return ""


def _mamba_py(size: Size, tensors: dict[str, Tensor]) -> list[Contestant]:
    """mamba.py's parallel scan, fed without copies: in its own layout, batch, length, channels.

    It knows no groups. Either they are part of the batch, and its method runs unchanged, or B and C are broadcast over
    the channels of a group, which adds no work either.
    """
    from mambapy.mamba import MambaBlock
    from mambapy.pscan import pscan

    batch, dim, length, state, groups = size.batch, size.dim, size.length, size.state, size.groups
    per_group = dim // groups

    def per_sample(tensor: Tensor) -> Tensor:
        """A parameter (dim, ...) as (batch * groups, 1, channels, ...)."""
        wide = tensor.view(1, groups, 1, per_group, *tensor.shape[1:]).expand(batch, *[-1] * (tensor.dim() + 2))
        return wide.reshape(batch * groups, 1, per_group, *tensor.shape[1:])

    def in_batch(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
        steps = F.softplus(delta + per_sample(delta_bias))
        return MambaBlock.selective_scan(None, u, steps, per_sample(A), B, C, per_sample(D))

    def broadcast(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
        steps = F.softplus(delta + delta_bias)
        grouped = (batch, length, groups, per_group, 1)
        drive = steps.view(grouped) * B.unsqueeze(3) * u.view(grouped)
        states = pscan(torch.exp(steps.unsqueeze(3) * A), drive.view(batch, length, dim, state))
        read = states.reshape(batch, length, groups, per_group, state) @ C.unsqueeze(4)
        return read.view(batch, length, dim) + D * u

    def own_in_batch(name: str, tensor: Tensor) -> Tensor:
        if name in ("u", "delta", "y", "B", "C"):
            return tensor.reshape(batch * groups, -1, length).transpose(1, 2)
        return tensor

    def common_in_batch(name: str, tensor: Tensor) -> Tensor:
        if name in ("B", "C"):
            return tensor.transpose(1, 2).reshape(batch, groups, state, length)
        return tensor.transpose(1, 2).reshape(batch, dim, length) if name in ("u", "delta", "y") else tensor

    def own_broadcast(name: str, tensor: Tensor) -> Tensor:
        if name in ("B", "C"):
            return tensor.permute(0, 3, 1, 2)
        return tensor.transpose(1, 2) if name in ("u", "delta", "y") else tensor

    def common_broadcast(name: str, tensor: Tensor) -> Tensor:
        if name in ("B", "C"):
            return tensor.permute(0, 2, 3, 1)
        return tensor.transpose(1, 2) if name in ("u", "delta", "y") else tensor

    def way(run: Callable[..., Tensor], own: Layout, common: Layout, note: str) -> Contestant:
        return Contestant(MAMBA_PY, leaves(tensors, own), run, own, common, note)

    return [
        way(in_batch, own_in_batch, common_in_batch, "its own method, in its own layout, the groups in the batch"),
        way(broadcast, own_broadcast, common_broadcast, "in its own layout, B and C broadcast over a group's channels"),
    ]


def _reference() -> tuple[Callable[..., Tensor], str]:
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_ref
    except Exception:  # it needs triton even for its reference
        return _indexed, "its algorithm written anew, as mamba_ssm does not import here"

    def run(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
        return selective_scan_ref(u, delta, A, B, C, D, None, delta_bias, True)

    return run, "selective_scan_ref"


def _indexed(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
    """Decays and drives of all steps at once, then one step after another, each taken out of them by its index.

    The gradient of taking out is as large as what it was taken from, which makes backward quadratic in the length.
    """
    steps = F.softplus(delta + delta_bias[:, None])
    B, C = (weights.repeat_interleave(u.shape[1] // weights.shape[1], 1) for weights in (B, C))
    decays = torch.exp(torch.einsum("bdl,dn->bdln", steps, A))
    drives = torch.einsum("bdl,bdnl,bdl->bdln", steps, B, u)
    state = torch.zeros_like(decays[:, :, 0])
    outputs = []
    for t in range(u.shape[2]):
        state = decays[:, :, t] * state + drives[:, :, t]
        outputs.append(torch.einsum("bdn,bdn->bd", state, C[..., t]))
    return torch.stack(outputs, 2) + D[:, None] * u
