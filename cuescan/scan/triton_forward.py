"""Triton kernel of the selective scan forwards."""

from __future__ import annotations

import triton
import triton.language as tl

from cuescan.scan.triton_tiles import (
    channels_of,
    fetch,
    locate,
    rates_of,
    states_of,
    step_of,
    step_sizes,
    visit,
)


@triton.jit(do_not_specialize=["length", "blocks_each"])
def forward(
    u, delta, A, B, C, D, bias, routes, starts, y, states, ends, spans, number, groups, dim, length,
    delta_batch, delta_route, blocks_each,
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
    index = tl.arange(0, STEPS)[:, None, None, None]
    rates = rates_of(A, route, dim, flat_channel, flat_state, exists, STATE, STATES, PARTS, LANES)
    u += batch * length * dim
    delta += batch * delta_batch + route.to(tl.int64) * delta_route
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
        routes, first, end, dim, channel, has_channel, STEPS, STATE, STATES
    )
    near_u, near_delta, near_B, near_C = fetch(u, delta, B, C, near, is_near, near_weights, has_weights)
    for start in range(first, end, STEPS):
        if y is not None:  # noqa: SIM102  # Triton 3.2 would compile both sides of an "and"
            if start % BLOCK == 0:
                tl.store(states + at, tl.reshape(h, [PARTS * STATES * LANES]), mask=exists)
                states += STATE * dim
        here, is_here, u_t, delta_t, B_t, C_t = near, is_near, near_u, near_delta, near_B, near_C
        near, is_near, near_weights, has_weights = visit(
            routes, start + STEPS, end, dim, channel, has_channel, STEPS, STATE, STATES
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
