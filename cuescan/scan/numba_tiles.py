"""Move a block of LANES channels between arrays and tiles, (time, LANES) scratch in which channels are adjacent."""

from __future__ import annotations

import numpy as np
from numba import njit

from cuescan.scan.lanes import LANES, broadcast
from cuescan.scan.lanes_memory import get, load, prefetch, put, store, transpose
from cuescan.scan.numba_functions import OPTIONS, ZERO

BLOCK = 64  # steps of a tile, and between two kept states
ITEM = np.dtype(np.float32).itemsize


@njit(**OPTIONS)
def tile(rows):
    """Scratch of LANES columns, each row within one cache line."""
    raw = np.empty((rows + 1) * LANES, np.float32)
    skip = -raw.ctypes.data % (LANES * ITEM) // ITEM
    return raw[skip : skip + rows * LANES].reshape(rows, LANES)


@njit(**OPTIONS)
def weights(state_size):
    """Scratch (state, BLOCK) for B or C of a block."""
    return tile(state_size * BLOCK // LANES).reshape(state_size, BLOCK)


@njit(**OPTIONS)
def read_tile(source, first, width, order, in_order, tile):
    """Fill ``tile`` from source (dim, length): channels first ... first + width - 1 at the positions ``order``.

    ``in_order`` says that the positions rise one by one. Lanes beyond ``width`` become 0.
    """
    steps = order.size
    done = 0
    if width == LANES and source.strides[0] == ITEM:
        for t in range(steps):
            put(load(source, first, order[t]), tile, t)
        return
    if width < LANES:
        tile[:steps] = ZERO
    elif in_order and source.strides[1] == ITEM:
        done = steps - steps % LANES
        for t in range(0, done, LANES):
            transpose(source, first, order[t], tile, t, 0)
    for c in range(width):
        for t in range(done, steps):
            tile[t, c] = source[first + c, order[t]]


@njit(**OPTIONS)
def prefetch_tile(source, first, order):
    """Ask for what :func:`read_tile` reads later; along a column of a map the processor does not foresee it."""
    if source.strides[0] == ITEM:
        for t in range(order.size):
            prefetch(source, first, order[t])


@njit(**OPTIONS)
def write_tile(tile, target, first, width, order, in_order):
    """Put back what :func:`read_tile` reads."""
    steps = order.size
    done = 0
    if width == LANES and target.strides[0] == ITEM:
        for t in range(steps):
            store(get(tile, t), target, first, order[t])
        return
    if width == LANES and in_order and target.strides[1] == ITEM:
        done = steps - steps % LANES
        for t in range(0, done, LANES):
            transpose(tile, t, 0, target, first, order[t])
    for c in range(width):
        for t in range(done, steps):
            target[first + c, order[t]] = tile[t, c]


@njit(**OPTIONS)
def add_tile(tile, target, first, width, order):
    """Add to what is there, as :func:`write_tile` writes."""
    if width == LANES and target.strides[0] == ITEM:
        for t in range(order.size):
            store(load(target, first, order[t]) + get(tile, t), target, first, order[t])
        return
    for c in range(width):
        for t in range(order.size):
            target[first + c, order[t]] += tile[t, c]


@njit(**OPTIONS)
def read_weights(source, order, in_order, stage, target):
    """Fill target (state, BLOCK) from source (state, length) at the positions ``order``, and the rest with 0."""
    steps, state_size = order.size, source.shape[0]
    if state_size % LANES == 0 and source.strides[0] == ITEM:
        for n in range(0, state_size, LANES):
            for t in range(BLOCK):
                put(load(source, n, order[t]) if t < steps else broadcast(ZERO), stage, t)
            for t in range(0, BLOCK, LANES):
                transpose(stage, t, 0, target, n, t)
        return
    done = 0
    if in_order and source.strides[1] == ITEM:
        done = steps - steps % LANES
        for n in range(state_size):
            for t in range(0, done, LANES):
                store(load(source, n, order[t]), target, n, t)
    for n in range(state_size):
        for t in range(done, BLOCK):
            target[n, t] = source[n, order[t]] if t < steps else ZERO


@njit(**OPTIONS)
def write_weights(source, target, order, in_order, add, stage):
    """Write source (state, BLOCK) to target (state, length) at the positions ``order``, or add it to what is there."""
    steps, state_size = order.size, source.shape[0]
    if state_size % LANES == 0 and target.strides[0] == ITEM:
        for n in range(0, state_size, LANES):
            for t in range(0, BLOCK, LANES):
                transpose(source, n, t, stage, t, 0)
            for t in range(steps):
                value = get(stage, t)
                store(load(target, n, order[t]) + value if add else value, target, n, order[t])
        return
    done = 0
    if in_order and target.strides[1] == ITEM:
        done = steps - steps % LANES
        for n in range(state_size):
            for t in range(0, done, LANES):
                value = load(source, n, t)
                store(load(target, n, order[t]) + value if add else value, target, n, order[t])
    for n in range(state_size):
        for t in range(done, steps):
            target[n, order[t]] = source[n, t] + (target[n, order[t]] if add else ZERO)


@njit(**OPTIONS)
def read_column(values, first, width, tile):
    """Fill row n of ``tile`` from values (dim, state): state n of the channels; lanes beyond ``width`` become 0."""
    tile[:] = ZERO
    for c in range(width):
        for n in range(values.shape[1]):
            tile[n, c] = values[first + c, n]


@njit(**OPTIONS)
def write_column(tile, values, first, width):
    """Put back what :func:`read_column` reads."""
    for c in range(width):
        for n in range(values.shape[1]):
            values[first + c, n] = tile[n, c]
