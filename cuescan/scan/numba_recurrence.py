"""Pieces of the numba kernels: the recurrence of a few states over one block of time, forward and back.

All but the recurrence itself runs along time in vector registers; the recurrences of WIDTH states are interleaved, to
hide the latency of each.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from cuescan.scan.numba_functions import exp, softplus

WIDTH = 4

# Reassociation lets sums over time vectorise; nan and infinity keep their meaning.
OPTIONS: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}


@njit(**OPTIONS)
def place(item, chunk, groups, per_group):
    """The batch index, group, and first and last + 1 channel of a work item."""
    chunks = -(-per_group // chunk)
    group = item // chunks % groups
    first = group * per_group + item % chunks * chunk
    return item // (chunks * groups), group, first, min(first + chunk, (group + 1) * per_group)


@njit(**OPTIONS)
def prepare(delta, bias, use_softplus, steps):
    """Write steps = delta + bias, through softplus if asked."""
    if use_softplus:
        for t in range(delta.size):
            steps[t] = softplus(delta[t] + bias)
    else:
        for t in range(delta.size):
            steps[t] = delta[t] + bias


@njit(**OPTIONS)
def recur(length, width, steps, drive, rates, B, n, at, before, decay, state):
    """State h_t = decay_t h_{t-1} + drive_t B_t of states n, n + 1, ..., with decay_t = exp(steps_t rate)."""
    for j in range(width):
        rate, B_j, decay_j, state_j = rates[j], B[n + j, at : at + length], decay[j], state[j]
        for t in range(length):
            decay_j[t] = exp(steps[t] * rate)
        for t in range(length):
            state_j[t] = drive[t] * B_j[t]
    if width == WIDTH:
        h0, h1, h2, h3 = before[0], before[1], before[2], before[3]
        for t in range(length):
            h0 = decay[0, t] * h0 + state[0, t]
            h1 = decay[1, t] * h1 + state[1, t]
            h2 = decay[2, t] * h2 + state[2, t]
            h3 = decay[3, t] * h3 + state[3, t]
            state[0, t], state[1, t], state[2, t], state[3, t] = h0, h1, h2, h3
    else:
        for j in range(width):
            h = before[j]
            for t in range(length):
                h = decay[j, t] * h + state[j, t]
                state[j, t] = h


@njit(**OPTIONS)
def recur_back(length, width, decay, carry, adjoint):
    """Adjoint g_t = adjoint_t + decay_{t+1} g_{t+1}, in place.

    ``carry`` holds decay_{t+1} g_{t+1} of the last t, and is left with that of the step before the first.
    """
    if width == WIDTH:
        g0, g1, g2, g3 = carry[0], carry[1], carry[2], carry[3]
        for t in range(length - 1, -1, -1):
            g0 += adjoint[0, t]
            g1 += adjoint[1, t]
            g2 += adjoint[2, t]
            g3 += adjoint[3, t]
            adjoint[0, t], adjoint[1, t], adjoint[2, t], adjoint[3, t] = g0, g1, g2, g3
            g0 *= decay[0, t]
            g1 *= decay[1, t]
            g2 *= decay[2, t]
            g3 *= decay[3, t]
        carry[0], carry[1], carry[2], carry[3] = g0, g1, g2, g3
    else:
        for j in range(width):
            g = carry[j]
            for t in range(length - 1, -1, -1):
                g += adjoint[j, t]
                adjoint[j, t] = g
                g *= decay[j, t]
            carry[j] = g
