"""How a selective scan is cut into the programs of the Triton kernels, and their launches."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from cuescan.scan.triton_backward import backward
from cuescan.scan.triton_forward import forward
from cuescan.scan.triton_segments import adjoint_ends, chain

INTERPRETED = not isinstance(forward, triton.JITFunction)  # TRITON_INTERPRET=1: run on a CPU, operation by operation
WARPS = 1024  # of the backward kernel, which an A100 or H100 has room for at a time
MOST_PROGRAMS = 2048  # of the backward kernel in a launch: each has scratch memory
_OPTIONS: dict[str, Any] = {"num_warps": 1, "num_stages": 1, "enable_fp_fusion": True}


def block_of(state: int) -> int:
    """Steps between two saved states, so many that these take no more memory than delta in float32."""
    block = 32
    while block < state:
        block *= 2
    return block


def rows_of(delta: Tensor) -> Tensor:
    """Delta by position before channel, (batch, routes, length, dim), dense: a copy where batch and routes are not so.

    Either may come first in memory.
    """
    rows = delta.transpose(2, 3)
    return rows if rows.transpose(0, 1).is_contiguous() else rows.contiguous()


class Work:
    """The tensors as the kernels want them, and how the work is cut: by the shapes alone, so that sums keep an order.

    Args:
        u: Input; this and the rest are as for ``selective_scan_naive``.
        delta: Steps.
        A: Rates.
        B: Input weights.
        C: Output weights.
        D: Skip weights.
        bias: Bias of the steps.
        softplus: Pass the steps through softplus.
        routes: The position of each step.
    """

    def __init__(self, u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, bias: Any, softplus: bool, routes: Any):
        self.batch, self.dim, self.length = u.shape
        self.number, (self.groups, self.state) = delta.shape[1], B.shape[2:4]
        self.u, self.delta = u.transpose(1, 2).contiguous(), rows_of(delta)
        self.B, self.C = B.transpose(3, 4).contiguous(), C.transpose(3, 4).contiguous()
        self.A = A.contiguous()
        self.D, self.bias, self.routes = (None if given is None else given.contiguous() for given in (D, bias, routes))

        states, block = triton.next_power_of_2(self.state), block_of(self.state)
        lanes = min(32, 128 // states) if states <= 32 else 256 // states
        parts = 4 if states == 1 else 2
        self.tile_size = parts * states * lanes
        in_thread = self.tile_size // 32  # states of one step; some 64 of all steps fill the registers
        self.steps, self.steps_back = min(8, 64 // in_thread), min(4, 32 // in_thread)
        self.tiles = triton.cdiv(self.dim // self.groups, parts * lanes)
        programs = self.batch * self.number * self.groups * self.tiles
        self.block, self.blocks = block, triton.cdiv(self.length, block)
        blocks_each = triton.cdiv(self.blocks, max(1, min(WARPS // programs, self.blocks // 2)))
        self.segments = triton.cdiv(self.blocks, blocks_each)
        self.grid = (programs, self.segments)
        self.sizes = (self.number, self.groups, self.dim, self.length, *self.delta.stride()[:2], blocks_each)
        self.constants = {"SOFTPLUS": softplus, "STATE": self.state, "STATES": states, "PARTS": parts, "LANES": lanes}
        self.constants |= {"BLOCK": block, **_OPTIONS}

    def empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """A buffer (batch, routes, *shape)."""
        return self.u.new_empty((self.batch, self.number, *shape), dtype=dtype)

    def ends(self) -> tuple[Tensor, Tensor]:
        """Buffers for what each segment adds to the state, and for the sum of its steps."""
        return self.empty(self.segments, self.state, self.dim), self.empty(self.segments, self.dim)

    def chained(self, ends: Tensor, spans: Tensor, first: Tensor | None, reverse: bool) -> Tensor:
        """The state with which each segment starts."""
        starts, width = torch.empty_like(ends), 128
        grid = (self.batch * self.number, triton.cdiv(self.state * self.dim, width))
        arguments = (ends, spans, self.A, first, starts, self.number, self.dim, self.segments)
        chain[grid](*arguments, STATE=self.state, REVERSE=reverse, DEPTH=8, WIDTH=width, **_OPTIONS)
        return starts


def run_forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The operator: y, the last state, and the state before each block, which the gradient needs."""
    u, work = arguments[0], Work(*arguments)
    y = work.empty(work.length, work.dim, dtype=u.dtype if work.number == 1 else torch.float32)
    states, last_state = work.empty(work.blocks * work.state * work.dim), work.empty(work.state, work.dim)
    given = (work.u, work.delta, work.A, work.B)
    constants = {"STEPS": work.steps, **work.constants}
    with torch.cuda.device_of(u):
        starts = None
        if work.segments > 1:
            ends, spans = work.ends()
            first_pass = (None, None, work.bias, work.routes, None, None, None, ends, spans)
            forward[work.grid](*given, *first_pass, *work.sizes, **constants)
            starts = work.chained(ends, spans, None, reverse=False)
        with_outputs = (work.C, work.D, work.bias, work.routes, starts, y, states, last_state, None)
        forward[work.grid](*given, *with_outputs, *work.sizes, **constants)
        y = y.squeeze(1) if work.number == 1 else y.sum(1).to(u.dtype)
    return y.transpose(1, 2), last_state.transpose(2, 3), states


def run_backward(*arguments: Any) -> list[Tensor]:
    """The gradients of those of u, delta, A, B, C, D and the bias that there are, in their dtypes."""
    states, dy, dlast = arguments[-3:]
    u, delta, A, B, C, D, bias = arguments[:7]
    work = Work(*arguments[:-3])
    du = work.empty(work.length, work.dim, dtype=u.dtype if work.number == 1 else torch.float32)
    ddelta = torch.empty_like(work.delta)
    a_buffer_each = work.tiles == 1 or torch.are_deterministic_algorithms_enabled()
    make = work.u.new_empty if a_buffer_each else work.u.new_zeros
    buffers = (work.tiles if a_buffer_each else 1, *work.B.shape)
    dB, dC = make(buffers, dtype=torch.float32), make(buffers, dtype=torch.float32)
    by_segment = (work.batch, work.segments, work.number)
    dA = work.u.new_empty((*by_segment, work.state, work.dim), dtype=torch.float32)
    dD, dbias = (None if given is None else dA.new_empty((*by_segment, work.dim)) for given in (D, bias))
    with torch.cuda.device_of(u):
        dy, carries = dy.transpose(1, 2).contiguous(), dlast.transpose(2, 3).contiguous()
        if work.segments > 1:
            ends, spans = work.ends()
            first_pass = (work.delta, work.A, work.C, work.bias, work.routes, dy, ends, spans)
            adjoint_ends[work.grid](*first_pass, *work.sizes, STEPS=work.steps, **work.constants)
            carries = work.chained(ends, spans, carries, reverse=True)
        programs, at_once = work.grid[0], min(work.grid[0], MOST_PROGRAMS)
        scratch = dA.new_empty((at_once * work.segments, work.block // work.steps_back, work.tile_size))
        given = (work.u, work.delta, work.A, work.B, work.C, work.D, work.bias, work.routes, states, carries, dy)
        results = (du, ddelta, dA, dB, dC, dD, dbias)
        constants = {"STEPS": work.steps_back, "ATOMIC": not a_buffer_each, **work.constants}
        apart = work.B.numel() if a_buffer_each else 0
        for before in range(0, programs, at_once):
            grid = (min(at_once, programs - before), work.segments)
            backward[grid](*given, scratch, *results, *work.sizes, apart, before, **constants)

        du = du.squeeze(1) if work.number == 1 else du.sum(1)
        dB, dC = (gradient.squeeze(0) if len(gradient) == 1 else gradient.sum(0) for gradient in (dB, dC))
        found = [du, ddelta, dA.sum((0, 1)), dB, dC]
        found = [gradient.transpose(-1, -2) for gradient in found]
        found += [gradient.sum((0, 1)) for gradient in (dD, dbias) if gradient is not None]
        wanted = [tensor.dtype for tensor in (u, delta, A, B, C, D, bias) if tensor is not None]
        return [gradient.to(dtype) for gradient, dtype in zip(found, wanted, strict=True)]
