"""Triton kernels that let segments of time be scanned at once: what each adds to the adjoint, and their chain.

What a segment adds to the state is a first pass of the kernel ``forward``.
"""

from __future__ import annotations

import triton
import triton.language as tl

from cuescan.scan.triton_tiles import (
    LOG2_E,
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
def adjoint_ends(
    delta, A, C, bias, routes, dy, ends, spans, number, groups, dim, length,
    delta_batch, delta_route, blocks_each,
    SOFTPLUS: tl.constexpr, STATE: tl.constexpr, STATES: tl.constexpr, STEPS: tl.constexpr, PARTS: tl.constexpr,
    LANES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """What a segment adds to the adjoint that leaves it backwards (``ends``), and the sum of its steps (``spans``)."""
    batch, row, item, route, group, tile = locate(tl.program_id(0), number, groups, dim, PARTS, LANES)
    channel, has_channel = channels_of(tile, group, groups, dim, PARTS, LANES)
    flat_channel, flat_state, exists = states_of(tile, group, groups, dim, STATE, STATES, PARTS, LANES)
    index = tl.arange(0, STEPS)[:, None, None, None]
    rates = rates_of(A, route, dim, flat_channel, flat_state, exists, STATE, STATES, PARTS, LANES)
    dy += batch * length * dim
    delta += batch * delta_batch + route.to(tl.int64) * delta_route
    C += item * length * STATE
    if routes is not None:
        routes += route * length
    if bias is not None:
        bias = tl.load(bias + route * dim + channel, mask=has_channel, other=0.0).to(tl.float32)

    carry = tl.reshape(tl.zeros([PARTS * STATES * LANES], tl.float32), [1, PARTS, STATES, LANES])
    span = tl.zeros([STEPS, PARTS, LANES], tl.float32)
    first = tl.program_id(1) * blocks_each * BLOCK
    end = tl.minimum(first + blocks_each * BLOCK, length)
    chunks = tl.cdiv(end - first, STEPS)
    near, is_near, near_weights, has_weights = visit(
        routes, first + (chunks - 1) * STEPS, end, dim, channel, has_channel, STEPS, STATE, STATES
    )
    near_dy, near_delta, near_C, _same = fetch(dy, delta, C, None, near, is_near, near_weights, has_weights)
    for done in range(0, chunks):
        is_here, dy_t, delta_t, C_t = is_near, near_dy, near_delta, near_C
        start = first + tl.maximum(chunks - 2 - done, 0) * STEPS
        near, is_near, near_weights, has_weights = visit(
            routes, start, end, dim, channel, has_channel, STEPS, STATE, STATES
        )
        near_dy, near_delta, near_C, _same = fetch(dy, delta, C, None, near, is_near, near_weights, has_weights)
        sizes, _slopes = step_sizes(delta_t, bias, is_here, SOFTPLUS)
        decay = tl.exp2(sizes[:, :, None, :] * rates)
        pull = dy_t[:, :, None, :] * C_t[:, None, :, None]
        for i in tl.static_range(STEPS):
            carry = step_of(decay, index, STEPS - 1 - i) * (step_of(pull, index, STEPS - 1 - i) + carry)
        span += sizes
    segment = row * tl.num_programs(1) + tl.program_id(1)
    at = flat_state * dim + flat_channel
    tl.store(ends + segment * STATE * dim + at, tl.reshape(carry, [PARTS * STATES * LANES]), mask=exists)
    tl.store(spans + segment * dim + channel, tl.sum(span, axis=0, keep_dims=True), mask=has_channel)


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
