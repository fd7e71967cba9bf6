"""Numba kernels of the selective scan: fused forward and backward in float32, each over a range of work items.

A work item is (batch, group, a few channels of the group), so no two items write to the same place and sums over
channels have one order whatever the number of threads. Only the state before each block of time is kept; the backward
kernel computes the states inside a block again.

Numba's cache on disk notices changes of this file alone: touch it after editing what it imports.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from cuescan.scan.numba_functions import sigmoid
from cuescan.scan.numba_recurrence import OPTIONS, WIDTH, place, prepare, recur, recur_back

BLOCK = 256  # steps between two kept states

ZERO, ONE = np.float32(0), np.float32(1)


def compile_cached(function: Any) -> Any:
    """``njit`` that releases the GIL, with a cache on disk where some place for it is writable."""
    try:
        return njit(cache=True, nogil=True, **OPTIONS)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(nogil=True, **OPTIONS)(function)


@compile_cached
def forward(start, stop, chunk, u, delta, A, B, C, D, z, bias, use_softplus, gated, y, states):
    """Write y (batch, dim, length) and ``states``, the state before each block and after the last one."""
    length, state_size, groups = u.shape[2], A.shape[1], B.shape[1]
    scratch = np.empty((2, BLOCK), np.float32)
    decay, state = np.empty((WIDTH, BLOCK), np.float32), np.empty((WIDTH, BLOCK), np.float32)
    for item in range(start, stop):
        b, group, first, last = place(item, chunk, groups, u.shape[1] // groups)
        states[b, first:last, 0] = ZERO
        for block in range(states.shape[2] - 1):
            at = block * BLOCK
            end = min(at + BLOCK, length)
            m = end - at
            steps, drive = scratch[0, :m], scratch[1, :m]
            for d in range(first, last):
                u_d, y_d = u[b, d, at:end], y[b, d, at:end]
                prepare(delta[b, d, at:end], bias[d], use_softplus, steps)
                for t in range(m):
                    drive[t] = steps[t] * u_d[t]
                for t in range(m):
                    y_d[t] = D[d] * u_d[t]
                for n in range(0, state_size, WIDTH):
                    w = min(WIDTH, state_size - n)
                    before = states[b, d, block, n : n + w]
                    recur(m, w, steps, drive, A[d, n : n + w], B[b, group], n, at, before, decay, state)
                    for j in range(w):
                        C_j, state_j = C[b, group, n + j, at:end], state[j]
                        for t in range(m):
                            y_d[t] += C_j[t] * state_j[t]
                        states[b, d, block + 1, n + j] = state_j[m - 1]
                if gated:
                    z_d = z[b, d, at:end]
                    for t in range(m):
                        y_d[t] *= z_d[t] * sigmoid(z_d[t])


@compile_cached
def backward(
    start, stop, chunk, u, delta, A, B, C, D, z, bias, use_softplus, gated, states, dy, carry,
    du, ddelta, dA, dB, dC, dD, dz, dbias,
):  # fmt: skip
    """Gradients, from dy and ``carry`` (the last state's gradient, overwritten).

    dA (batch, dim, state), dD and dbias (batch, dim) remain to be summed over the batch, dB and dC (items, state,
    length) over the items of a group.
    """
    length, state_size, groups = u.shape[2], A.shape[1], B.shape[1]
    scratch = np.empty((6, BLOCK), np.float32)
    decay, state = np.empty((WIDTH, BLOCK), np.float32), np.empty((WIDTH, BLOCK), np.float32)
    adjoint = np.empty((WIDTH, BLOCK), np.float32)
    for item in range(start, stop):
        b, group, first, last = place(item, chunk, groups, u.shape[1] // groups)
        for block in range(states.shape[2] - 2, -1, -1):
            at = block * BLOCK
            end = min(at + BLOCK, length)
            m = end - at
            steps, drive, out, y, ddrive, dsteps = (
                scratch[0, :m], scratch[1, :m], scratch[2, :m], scratch[3, :m], scratch[4, :m], scratch[5, :m]
            )  # fmt: skip
            for d in range(first, last):
                u_d, delta_d, du_d, ddelta_d = (
                    u[b, d, at:end],
                    delta[b, d, at:end],
                    du[b, d, at:end],
                    ddelta[b, d, at:end],
                )
                prepare(delta_d, bias[d], use_softplus, steps)
                for t in range(m):
                    drive[t] = steps[t] * u_d[t]
                out[:] = dy[b, d, at:end]
                if gated:
                    z_d = z[b, d, at:end]
                    for t in range(m):
                        out[t] *= z_d[t] * sigmoid(z_d[t])
                    for t in range(m):
                        y[t] = D[d] * u_d[t]
                ddrive[:] = ZERO
                dsteps[:] = ZERO
                for n in range(0, state_size, WIDTH):
                    w = min(WIDTH, state_size - n)
                    before = states[b, d, block, n : n + w]
                    recur(m, w, steps, drive, A[d, n : n + w], B[b, group], n, at, before, decay, state)
                    for j in range(w):
                        C_j, state_j, adjoint_j, dC_j = (
                            C[b, group, n + j, at:end],
                            state[j],
                            adjoint[j],
                            dC[item, n + j, at:end],
                        )
                        for t in range(m):
                            adjoint_j[t] = out[t] * C_j[t]
                        for t in range(m):
                            dC_j[t] += out[t] * state_j[t]
                        if gated:
                            for t in range(m):
                                y[t] += C_j[t] * state_j[t]
                    recur_back(m, w, decay, carry[b, d, n : n + w], adjoint)
                    for j in range(w):
                        B_j, dB_j, rate = B[b, group, n + j, at:end], dB[item, n + j, at:end], A[d, n + j]
                        state_j, decay_j, adjoint_j = state[j], decay[j], adjoint[j]
                        for t in range(m):
                            dB_j[t] += adjoint_j[t] * drive[t]
                        for t in range(m):
                            ddrive[t] += adjoint_j[t] * B_j[t]
                        decay_j[0] *= adjoint_j[0] * before[j]
                        for t in range(1, m):
                            decay_j[t] *= adjoint_j[t] * state_j[t - 1]
                        total = ZERO
                        for t in range(m):
                            dsteps[t] += decay_j[t] * rate
                            total += decay_j[t] * steps[t]
                        dA[b, d, n + j] += total
                for t in range(m):
                    du_d[t] = D[d] * out[t] + ddrive[t] * steps[t]
                for t in range(m):
                    ddelta_d[t] = dsteps[t] + ddrive[t] * u_d[t]
                if use_softplus:
                    for t in range(m):
                        ddelta_d[t] *= sigmoid(delta_d[t] + bias[d])
                total_D, total_bias = ZERO, ZERO
                for t in range(m):
                    total_D += out[t] * u_d[t]
                    total_bias += ddelta_d[t]
                dD[b, d] += total_D
                dbias[b, d] += total_bias
                if gated:
                    dy_d, dz_d = dy[b, d, at:end], dz[b, d, at:end]
                    for t in range(m):
                        gate = sigmoid(z_d[t])
                        dz_d[t] = dy_d[t] * y[t] * gate * (ONE + z_d[t] * (ONE - gate))
