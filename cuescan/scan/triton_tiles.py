"""The tiles that the selective scan's Triton kernels work on.

A program is one warp. It owns a tile of neighbouring channels of one route with all their states, over a segment of
time. Its 4-D tiles are (steps, parts, states, lanes), the channels being parts x lanes; Triton's default layout of such
a shape spreads lanes and a share of the states over the 32 threads and leaves all steps in each thread's registers. So
the recurrence is one multiply-add per state and step, without shuffles, and picking a step from a tile
(:func:`step_of`) costs nothing: its masks are constants. Time comes before channels in memory, and before states in B
and C, so that accesses are coalesced in whatever order a route visits the positions.

States enter and leave through flat tiles that are reshaped: Triton keeps the layout of a reshape's result, where it
would spread the layout of a 4-D load, which is another, over everything computed from it.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def step_of(tile, index, i):
    """Step ``i`` of a float32 tile as a tile of one step: the greatest of its bits and the least integers."""
    bits = tl.where(index == i, tile.to(tl.int32, bitcast=True), -(2**31))
    return tl.max(bits, axis=0, keep_dims=True).to(tl.float32, bitcast=True)


@triton.jit
def step_sizes(raw, bias, visited, SOFTPLUS: tl.constexpr):
    """The steps, biased and softplused, and their derivative; both 0 past the end, which leaves the state as it is.

    softplus(x) = max(x, 0) + log1p(e) with e = exp(-abs(x)), and log1p(e) = 2 artanh(e / (2 + e)) by its series, whose
    relative error is that of float32 for small e too.
    """
    x = raw.to(tl.float32)
    if bias is not None:
        x += bias
    if SOFTPLUS:
        e = tl.exp2(tl.abs(x) * -LOG2_E)
        ratio = e / (e + 2.0)
        square = ratio * ratio
        series = square * 0.15384615384615385 + 0.18181818181818182
        series = series * square + 0.2222222222222222
        series = series * square + 0.2857142857142857
        series = series * square + 0.4
        series = series * square + 0.6666666666666667
        series = series * square + 2.0
        sizes = tl.maximum(x, 0.0) + ratio * series
        slopes = tl.where(x < 0.0, e, 1.0) / (e + 1.0)
    else:
        sizes = x
        slopes = tl.full(x.shape, 1.0, tl.float32)
    return tl.where(visited, sizes, 0.0), tl.where(visited, slopes, 0.0)


@triton.jit
def locate(program, number, groups, dim, PARTS: tl.constexpr, LANES: tl.constexpr):
    """What a program works on: batch, batch x route, batch x route x group, route, group, tile of the group."""
    tiles = tl.cdiv(dim // groups, PARTS * LANES)
    item = program // tiles
    row = item // groups
    batch = (row // number).to(tl.int64)
    return batch, row.to(tl.int64), item.to(tl.int64), row % number, item % groups, program % tiles


@triton.jit
def channels_of(tile, group, groups, dim, PARTS: tl.constexpr, LANES: tl.constexpr):
    """The tile's channels (1, parts, lanes), and which of them the group has."""
    place = tile * PARTS * LANES + tl.arange(0, PARTS)[None, :, None] * LANES + tl.arange(0, LANES)[None, None, :]
    return group * (dim // groups) + place, place < dim // groups


@triton.jit
def states_of(
    tile, group, groups, dim, STATE: tl.constexpr, STATES: tl.constexpr, PARTS: tl.constexpr, LANES: tl.constexpr
):
    """Flat over (parts, states, lanes): the channels, the states, and which of these pairs exist."""
    flat = tl.arange(0, PARTS * STATES * LANES)
    state = flat // LANES % STATES
    lane = flat & (LANES - 1)  # by % Triton would know them for neighbours and give each thread four: another layout
    place = tile * PARTS * LANES + flat // (LANES * STATES) * LANES + lane
    return group * (dim // groups) + place, state, (place < dim // groups) & (state < STATE)


@triton.jit
def visit(
    routes, start, length, dim, channel, has_channel, STEPS: tl.constexpr, STATE: tl.constexpr, STATES: tl.constexpr
):
    """Offsets and masks of the channels, and of B and C, at STEPS steps of a route."""
    state = tl.arange(0, STATES)[None, :]
    step = start + tl.arange(0, STEPS)
    visited = step < length
    if routes is not None:
        step = tl.load(routes + step, mask=visited, other=0)
    position = step.to(tl.int64)  # dim x length may exceed 2**31
    of_channels = position[:, None, None] * dim + channel
    of_weights = position[:, None] * STATE + state
    return of_channels, visited[:, None, None] & has_channel, of_weights, visited[:, None] & (state < STATE)


@triton.jit
def rates_of(A, route, dim, flat_channel, flat_state, exists, STATE: tl.constexpr, STATES: tl.constexpr,
             PARTS: tl.constexpr, LANES: tl.constexpr):  # fmt: skip
    """A times log2(e), for exp2, as a tile of one step."""
    rates = tl.load(A + (route * dim + flat_channel) * STATE + flat_state, mask=exists, other=0.0).to(tl.float32)
    return tl.reshape(rates * LOG2_E, [1, PARTS, STATES, LANES])


@triton.jit
def fetch(u, delta, B, C, of_channels, has_channels, of_weights, has_weights):
    """The tensors at some steps in float32; without C, B in its place.

    Kernels fetch a chunk ahead: for the time a load takes, and because Triton before 3.9 would otherwise spread 16-bit
    steps over the threads before softplus, which then is computed several times.
    """
    B_t = tl.load(B + of_weights, mask=has_weights, other=0.0).to(tl.float32)
    C_t = B_t
    if C is not None:
        C_t = tl.load(C + of_weights, mask=has_weights, other=0.0).to(tl.float32)
    u_t = tl.load(u + of_channels, mask=has_channels, other=0.0).to(tl.float32)
    return u_t, tl.load(delta + of_channels, mask=has_channels, other=0.0).to(tl.float32), B_t, C_t
