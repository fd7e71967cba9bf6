"""How many fused multiply-adds of 16-lane vectors the processor does: independent ones, all in registers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numba import njit

from cuescan.scan.lanes import LANES, broadcast
from cuescan.scan.lanes_memory import put
from cuescan.scan.threads import run_in_threads

ROUNDS = 200_000
PIECES = 8  # per thread


@njit(nogil=True, error_model="numpy")
def six(start, stop, rounds, factor, term, out):
    """Six chains: enough for the latency where a vector takes two registers, and they still fit."""
    for item in range(start, stop):
        f, s = broadcast(factor), broadcast(term)
        a, b, c, d, e, g = f, s, f + s, f - s, f * s, s - f
        for _ in range(rounds):
            a, b, c, d, e, g = a * f + s, b * f + s, c * f + s, d * f + s, e * f + s, g * f + s
        put(a + b + c + d + e + g, out, item)


@njit(nogil=True, error_model="numpy")
def twelve(start, stop, rounds, factor, term, out):
    """Twelve chains: enough where a vector takes one register."""
    for item in range(start, stop):
        f, s = broadcast(factor), broadcast(term)
        a, b, c, d, e, g = f, s, f + s, f - s, f * s, s - f
        h, i, j, k, m, n = a + f, b + f, c + f, d + f, e + f, g + f
        for _ in range(rounds):
            a, b, c, d, e, g = a * f + s, b * f + s, c * f + s, d * f + s, e * f + s, g * f + s
            h, i, j, k, m, n = h * f + s, i * f + s, j * f + s, k * f + s, m * f + s, n * f + s
        put(a + b + c + d + e + g + h + i + j + k + m + n, out, item)


def loops() -> dict[str, tuple[Callable[[], None], float]]:
    """Calls that run the chains on torch's threads, each with the number of vector operations it does."""
    items = PIECES * torch.get_num_threads()
    out = np.empty((items, LANES), np.float32)
    factor, term = np.float32(0.999), np.float32(0.001)

    def call(kernel: Callable[..., None]) -> Callable[[], None]:
        return lambda: run_in_threads(lambda start, stop: kernel(start, stop, ROUNDS, factor, term, out), items)

    return {
        f"{count} chains": (call(kernel), float(items * ROUNDS * count)) for count, kernel in ((6, six), (12, twelve))
    }
