"""Triton kernels of the selective scan: the forward recurrence over a segment of time, and the chain of segments."""

from __future__ import annotations

import triton
import triton.language as tl

from cuescan.scan.triton_tiles import LOG2_E, channels_of, locate, rates_of, states_of, step_of, step_sizes, visit


@triton.jit
def fetch(u, delta, B, C, of_channels, has_channels, of_weights, has_weights):
    """The tensors at some steps in float32; without C, B in its place."""
    B_t = tl.load(B + of_weights, mask=has_weights, other=0.0).to(tl.float32)
    C_t = B_t
    if C is not None:
        C_t = tl.load(C + of_weights, mask=has_weights, other=0.0).to(tl.float32)
    u_t = tl.load(u + of_channels, mask=has_channels, other=0.0).to(tl.float32)
    return u_t, tl.load(delta + of_channels, mask=has_channels, other=0.0).to(tl.float32), B_t, C_t


@triton.jit(do_not_specialize=["length", "blocks_each"])
def forward(
    u, delta, A, B, C, D, bias, routes, starts, y, states, ends, spans, number, groups, dim, length, blocks_each,
    SOFTPLUS: tl.constexpr, STATE: tl.constexpr, STATES: tl.constexpr, STEPS: tl.constexpr, PARTS: tl.constexpr,
    LANES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Scan a segment of ``blocks_each`` blocks of BLOCK steps from its start state, or from zero where that is None.

    With y: write the outputs, the state before every block, and the state after the last step of all (``ends``).
    Without y: write the segment's last state (``ends``) and the sum of its steps (``spans``).
    """
    batch, row, item, route, group, tile = locate(tl.program_id(0), number, groups, dim, PARTS, LANES)
    channel, has_channel = channels_of(tile, group, groups, dim, PARTS, LANES)
    flat_channel, flat_state, exists = states_of(tile, group, groups, dim, STATE, STATES, PARTS, LANES)
    at = flat_state * dim + flat_channel
    state = tl.arange(0, STATES)[None, :]
    has_state = state < STATE
    index = tl.arange(0, STEPS)[:, None, None, None]
    rates = rates_of(A, route, dim, flat_channel, flat_state, exists, STATE, STATES, PARTS, LANES)
    u += batch * length * dim
    delta += row * length * dim
    B += item * length * STATE
    if routes is not None:
        routes += route * length
    if bias is not None:
        bias = tl.load(bias + route * dim + channel, mask=has_channel, other=0.0).to(tl.float32)
    if y is not None:
        y += row * length * dim
        C += item * length * STATE
        states += (row * tl.cdiv(length, BLOCK) + tl.program_id(1) * blocks_each) * STATE * dim
    if D is not None:
        D = tl.load(D + route * dim + channel, mask=has_channel, other=0.0).to(tl.float32)

    segment = row * tl.num_programs(1) + tl.program_id(1)
    h = tl.zeros([PARTS * STATES * LANES], tl.float32)
    if starts is not None:
        h = tl.load(starts + segment * STATE * dim + at, mask=exists, other=0.0)
    h = tl.reshape(h, [1, PARTS, STATES, LANES])
    span = tl.zeros([STEPS, PARTS, LANES], tl.float32)
    first = tl.program_id(1) * blocks_each * BLOCK
    end = tl.minimum(first + blocks_each * BLOCK, length)
    near, is_near, near_weights, has_weights = visit(
        routes, first, end, dim, channel, has_channel, state, has_state, STEPS, STATE
    )
    near_u, near_delta, near_B, near_C = fetch(u, delta, B, C, near, is_near, near_weights, has_weights)
    for start in range(first, end, STEPS):
        if y is not None:  # noqa: SIM102  # Triton 3.2 would compile both sides of an "and"
            if start % BLOCK == 0:
                tl.store(states + at, tl.reshape(h, [PARTS * STATES * LANES]), mask=exists)
                states += STATE * dim
        here, is_here, u_t, delta_t, B_t, C_t = near, is_near, near_u, near_delta, near_B, near_C
        near, is_near, near_weights, has_weights = visit(
            routes, start + STEPS, end, dim, channel, has_channel, state, has_state, STEPS, STATE
        )
        near_u, near_delta, near_B, near_C = fetch(u, delta, B, C, near, is_near, near_weights, has_weights)

        sizes, _ = step_sizes(delta_t, bias, is_here, SOFTPLUS)
        decay = tl.exp2(sizes[:, :, None, :] * rates)
        drive = (sizes * u_t)[:, :, None, :] * B_t[:, None, :, None]
        passed = drive
        for i in tl.static_range(STEPS):
            h = step_of(decay, index, i) * h + step_of(drive, index, i)
            passed = tl.where(index == i, h, passed)
        if y is not None:
            read = tl.sum(passed * C_t[:, None, :, None], axis=2)
            if D is not None:
                read += D * u_t
            tl.store(y + here, read.to(y.dtype.element_ty), mask=is_here)
        else:
            span += sizes
    h = tl.reshape(h, [PARTS * STATES * LANES])
    if y is None:
        tl.store(ends + segment * STATE * dim + at, h, mask=exists)
        tl.store(spans + segment * dim + channel, tl.sum(span, axis=0, keep_dims=True), mask=has_channel)
    elif end == length:
        tl.store(ends + row * STATE * dim + at, h, mask=exists)


@triton.jit(do_not_specialize=["segments"])
def chain(
    ends, spans, A, first, starts, number, dim, segments, STATE: tl.constexpr, REVERSE: tl.constexpr,
    DEPTH: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The state with which each segment starts, from the ``first`` one (None: zero) and what each adds to it."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)[None, :]
    exists = at < STATE * dim
    channel = at % dim
    rates = tl.load(A + (row % number * dim + channel) * STATE + at // dim, mask=exists, other=0.0)
    rates = rates.to(tl.float32) * LOG2_E
    h = tl.zeros([1, WIDTH], tl.float32)
    if first is not None:
        h = tl.load(first + row * STATE * dim + at, mask=exists, other=0.0)
    index = tl.arange(0, DEPTH)[:, None]
    for done in range(0, segments, DEPTH):
        order = done + index
        mask = exists & (order < segments)
        if REVERSE:
            order = segments - 1 - order
        place = row * segments + order
        added = tl.load(ends + place * STATE * dim + at, mask=mask, other=0.0)
        span = tl.load(spans + place * dim + channel, mask=mask, other=0.0)
        decay = tl.exp2(span * rates)
        passed = added
        for i in tl.static_range(DEPTH):
            passed = tl.where(index == i, h, passed)
            h = step_of(decay, index, i) * h + step_of(added, index, i)
        tl.store(starts + place * STATE * dim + at, passed, mask=mask)
