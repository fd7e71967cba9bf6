"""Numba kernels of the selective scan: forward and backward, fused, in float32, each over a range of work items.

A vector holds one state of LANES neighbouring channels, so that the recurrence itself runs in vector registers and no
step waits for another channel's. A work item is (batch, split of the routes, group, a run of LANES-wide chunks of the
group's channels): no two items write to the same place, and sums over channels have one order whatever the number of
threads. Of the states only those before each block of time are kept; backward computes those inside a block again.
"""

from __future__ import annotations

from numba import njit

from cuescan.scan.lanes import LANES, exp2
from cuescan.scan.lanes_memory import get, put, spread
from cuescan.scan.numba_functions import LOG2E, OPTIONS, ZERO, softplus
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
)


@njit(**OPTIONS)
def place(item, run, chunks, groups, splits):
    """Batch index, split, group, and first and last + 1 chunk of a work item."""
    runs = -(-chunks // run)
    rest, first = item // runs, item % runs * run
    return rest // (groups * splits), rest // groups % splits, rest % groups, first, min(first + run, chunks)


@njit(**OPTIONS)
def prepare(steps, count, bias, use_softplus):
    """Turn a tile of step sizes, before bias and softplus, into steps."""
    offset = get(bias, 0)
    for t in range(count):
        step = get(steps, t) + offset
        put(softplus(step) if use_softplus else step, steps, t)


@njit(**OPTIONS)
def recur(count, steps, drive, rates, state, B, C, out):
    """Run the states, two at a time, through one block and add what they give to ``out``."""
    for n in range(0, len(rates), 2):
        rate, other_rate, h, other = get(rates, n), get(rates, n + 1), get(state, n), get(state, n + 1)
        for t in range(count):
            step, input = get(steps, t), get(drive, t)
            h = exp2(step * rate) * h + input * spread(B, n, t)
            other = exp2(step * other_rate) * other + input * spread(B, n + 1, t)
            read = spread(C, n, t) * h + spread(C, n + 1, t) * other
            put(get(out, t) + read, out, t)
        put(h, state, n)
        put(other, state, n + 1)


def forward(
    start, stop, run, splits, u, delta, A, B, C, D, bias, use_softplus, order, in_order, y, last_state, states
):  # fmt: skip
    """Write y (splits, batch, dim, length), the last state, and ``states`` (batch, R, chunks, blocks, state, LANES)."""
    length, (number, groups, state_size) = u.shape[2], B.shape[1:4]
    per_group, per_split = u.shape[1] // groups, number // splits
    chunks = -(-per_group // LANES)
    inputs, steps, drive, out = tile(BLOCK), tile(BLOCK), tile(BLOCK), tile(BLOCK)
    rates, state, skip, offset = tile(state_size), tile(state_size), tile(1), tile(1)
    B_here, C_here, stage = weights(state_size), weights(state_size), tile(BLOCK)
    for item in range(start, stop):
        b, split, group, begin, beyond = place(item, run, chunks, groups, splits)
        for chunk in range(begin, beyond):
            first = group * per_group + chunk * LANES
            width = min(LANES, (group + 1) * per_group - first)
            for r in range(split * per_split, (split + 1) * per_split):
                read_column(A[r], first, width, rates)
                rates *= LOG2E
                read_column(D[r], first, width, skip)
                read_column(bias[r], first, width, offset)
                state[:] = ZERO
                for block in range(states.shape[3]):
                    end = min((block + 1) * BLOCK, length)
                    visited, coming = order[r, block * BLOCK : end], order[r, end : min(end + BLOCK, length)]
                    kept = states[b, r, group * chunks + chunk, block]
                    for n in range(state_size):
                        put(get(state, n), kept, n)
                    read_tile(u[b], first, width, visited, in_order, inputs)
                    read_tile(delta[b, r], first, width, visited, in_order, steps)
                    prefetch_tile(u[b], first, coming)
                    prefetch_tile(delta[b, r], first, coming)
                    prefetch_tile(y[split, b], first, visited)
                    prepare(steps, visited.size, offset, use_softplus)
                    for t in range(visited.size):
                        value = get(inputs, t)
                        put(get(steps, t) * value, drive, t)
                        put(get(skip, 0) * value, out, t)
                    read_weights(B[b, r, group], visited, in_order, stage, B_here)
                    read_weights(C[b, r, group], visited, in_order, stage, C_here)
                    recur(visited.size, steps, drive, rates, state, B_here, C_here, out)
                    if r == split * per_split:
                        write_tile(out, y[split, b], first, width, visited, in_order)
                    else:
                        add_tile(out, y[split, b], first, width, visited)
                write_column(state, last_state[b, r], first, width)
