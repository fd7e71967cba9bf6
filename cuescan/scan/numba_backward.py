"""The backward numba kernel of the selective scan; see :mod:`cuescan.scan.numba_kernels` for how work is divided."""

from __future__ import annotations

import numpy as np
from numba import njit

from cuescan.scan.lanes import LANES, broadcast, exp2, fold
from cuescan.scan.lanes_memory import get, put, spread, store
from cuescan.scan.numba_functions import INLINE, LOG2E, OPTIONS, ZERO, softplus_slope
from cuescan.scan.numba_kernels import place, prepare
from cuescan.scan.numba_tiles import (
    BLOCK,
    add_tile,
    prefetch_tile,
    read_column,
    read_tile,
    read_weights,
    tile,
    weights,
    write_column,
    write_tile,
    write_weights,
)

ONE = np.float32(1)


@njit(**OPTIONS)
def prepare_back(delta, count, bias, use_softplus, slope):
    """Turn a tile of step sizes into steps, and write each one's derivative to ``slope``."""
    offset = get(bias, 0)
    for t in range(count):
        put(get(delta, t) + offset, slope, t)
    prepare(delta, count, bias, use_softplus)
    for t in range(count):
        if use_softplus:
            put(softplus_slope(get(slope, t), get(delta, t)), slope, t)
        else:
            put(broadcast(ONE), slope, t)


@njit(**OPTIONS)
def recur_again(count, steps, drive, rate, before, B, n, decay, history):
    """State n of one block as forward ran it: every decay, and every state after ``before`` in history[0]."""
    h = before
    put(h, history, 0)
    scaled = rate * broadcast(LOG2E)
    for t in range(count):
        factor = exp2(get(steps, t) * scaled)
        put(factor, decay, t)
        h = factor * h + get(drive, t) * spread(B, n, t)
        put(h, history, t + 1)


@njit(**INLINE)
def step_back(t, steps, drive, rate, B, C, n, decay, history, dy, ddrive, dsteps, g, dA):
    """Undo step t of :func:`recur_again`: add to ddrive and dsteps.

    ``g`` is the gradient of the state after the step. Returns that before it, dA so far, and each lane's share of dB
    and dC.
    """
    slope = get(dy, t)
    g = g + slope * spread(C, n, t)
    share_C, share_B = slope * get(history, t + 1), g * get(drive, t)
    put(get(ddrive, t) + g * spread(B, n, t), ddrive, t)
    g = g * get(decay, t)
    exponent = g * get(history, t)
    put(get(dsteps, t) + exponent * rate, dsteps, t)
    return g, dA + exponent * get(steps, t), share_B, share_C


@njit(**OPTIONS)
def recur_back(count, steps, drive, rate, B, C, n, decay, history, dy, ddrive, dsteps, carry, dA, quarters, dB, dC):
    """Undo :func:`recur_again`: add to ddrive, dsteps and the tiles carry and dA, and write dB and dC."""
    g, total = get(carry, n), get(dA, n)
    for start in range(count - LANES, -1, -LANES):
        for t in range(start + LANES - 4, start - 1, -4):
            rest = steps, drive, rate, B, C, n, decay, history, dy, ddrive, dsteps
            g, total, B3, C3 = step_back(t + 3, *rest, g, total)
            g, total, B2, C2 = step_back(t + 2, *rest, g, total)
            g, total, B1, C1 = step_back(t + 1, *rest, g, total)
            g, total, B0, C0 = step_back(t, *rest, g, total)
            put(fold(fold(B0, B1), fold(B2, B3)), quarters, (t - start) // 4)
            put(fold(fold(C0, C1), fold(C2, C3)), quarters, 4 + (t - start) // 4)
        for target, first in ((dB, 0), (dC, 4)):
            low = fold(get(quarters, first), get(quarters, first + 1))
            store(fold(low, fold(get(quarters, first + 2), get(quarters, first + 3))), target, n, start)
    put(g, carry, n)
    put(total, dA, n)


def backward(
    start, stop, run, splits, u, delta, A, B, C, D, bias, use_softplus, order, in_order, states, dy, dlast, du, ddelta,
    dA, dB, dC, dD, dbias,
):  # fmt: skip
    """Gradients, from dy and the last state's gradient.

    du (splits, batch, dim, length) remains to be summed over splits; dA, dD and dbias (batch, R, dim, state or 1) over
    the batch; dB and dC (items, routes of a split, state, length) over the items of a group.
    """
    length, (number, groups, state_size) = u.shape[2], B.shape[1:4]
    per_group, per_split = u.shape[1] // groups, number // splits
    chunks, blocks = -(-per_group // LANES), states.shape[3]
    inputs, steps, drive, slope, out = tile(BLOCK), tile(BLOCK), tile(BLOCK), tile(BLOCK), tile(BLOCK)
    ddrive, dsteps, decay, history = tile(BLOCK), tile(BLOCK), tile(BLOCK), tile(BLOCK + 1)
    rates, carry, dA_here = tile(state_size), tile(state_size), tile(state_size)
    skip, offset, dskip, doffset, quarters = tile(1), tile(1), tile(1), tile(1), tile(8)
    B_here, C_here, dB_here, dC_here = (
        weights(state_size), weights(state_size), weights(state_size), weights(state_size)
    )  # fmt: skip
    for item in range(start, stop):
        b, split, group, begin, end = place(item, run, chunks, groups, splits)
        for chunk in range(begin, end):
            first = group * per_group + chunk * LANES
            width = min(LANES, (group + 1) * per_group - first)
            for route in range(per_split):
                r = split * per_split + route
                read_column(A[r], first, width, rates)
                read_column(D[r], first, width, skip)
                read_column(bias[r], first, width, offset)
                read_column(dlast[b, r], first, width, carry)
                dA_here[:], dskip[:], doffset[:] = ZERO, ZERO, ZERO
                for block in range(blocks - 1, -1, -1):
                    visited = order[r, block * BLOCK : min((block + 1) * BLOCK, length)]
                    kept = states[b, r, group * chunks + chunk, block]
                    read_tile(u[b], first, width, visited, in_order, inputs)
                    read_tile(delta[b, r], first, width, visited, in_order, steps)
                    read_tile(dy[b], first, width, visited, in_order, out)
                    coming = order[r, max(0, block - 1) * BLOCK : block * BLOCK]
                    prefetch_tile(u[b], first, coming)
                    prefetch_tile(delta[b, r], first, coming)
                    prefetch_tile(dy[b], first, coming)
                    prefetch_tile(du[split, b], first, visited)
                    prefetch_tile(ddelta[b, r], first, visited)
                    read_weights(B[b, r, group], visited, in_order, slope, B_here)
                    read_weights(C[b, r, group], visited, in_order, slope, C_here)
                    prepare_back(steps, visited.size, offset, use_softplus, slope)
                    count = -(-visited.size // LANES) * LANES
                    for t in range(visited.size, count):  # steps of 0 with no input and no output change nothing
                        put(broadcast(ZERO), steps, t)
                        put(broadcast(ZERO), inputs, t)
                        put(broadcast(ZERO), out, t)
                    for t in range(count):
                        put(get(steps, t) * get(inputs, t), drive, t)
                        put(broadcast(ZERO), ddrive, t)
                        put(broadcast(ZERO), dsteps, t)
                    for n in range(state_size):
                        rate = get(rates, n)
                        recur_again(count, steps, drive, rate, get(kept, n), B_here, n, decay, history)
                        recur_back(
                            count, steps, drive, rate, B_here, C_here, n, decay, history, out, ddrive, dsteps, carry,
                            dA_here, quarters, dB_here, dC_here,
                        )  # fmt: skip
                    write_weights(dB_here, dB[item, route], visited, in_order, chunk > begin, decay)
                    write_weights(dC_here, dC[item, route], visited, in_order, chunk > begin, decay)
                    dD_block, dbias_block = broadcast(ZERO), broadcast(ZERO)
                    for t in range(visited.size):
                        value, weight, dinput = get(inputs, t), get(out, t), get(ddrive, t)
                        dstep = (get(dsteps, t) + dinput * value) * get(slope, t)
                        put(get(skip, 0) * weight + dinput * get(steps, t), ddrive, t)
                        put(dstep, dsteps, t)
                        dD_block, dbias_block = dD_block + weight * value, dbias_block + dstep
                    put(get(dskip, 0) + dD_block, dskip, 0)
                    put(get(doffset, 0) + dbias_block, doffset, 0)
                    if route == 0:
                        write_tile(ddrive, du[split, b], first, width, visited, in_order)
                    else:
                        add_tile(ddrive, du[split, b], first, width, visited)
                    write_tile(dsteps, ddelta[b, r], first, width, visited, in_order)
                write_column(dA_here, dA[b, r], first, width)
                write_column(dskip, dD[b, r], first, width)
                write_column(doffset, dbias[b, r], first, width)
