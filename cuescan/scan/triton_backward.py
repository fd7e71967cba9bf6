"""Triton kernel of the selective scan's gradient.

With h_t = a_t h_{t-1} + s_t u_t B_t, a_t = exp(s_t A), y_t = C_t . h_t + D u_t, the adjoint of the state runs back in
time: g_t = C_t dy_t + a_{t+1} g_{t+1}. From it and the states, every gradient is a product summed over the states (du,
ddelta), the channels (dB, dC) or the steps (dA, dD, dbias).
"""

from __future__ import annotations

import triton
import triton.language as tl

from cuescan.scan.triton_tiles import LN_2, channels_of, fetch, locate, rates_of, states_of, step_of, step_sizes, visit


@triton.jit(do_not_specialize=["length", "blocks_each", "part_size", "programs_before"])
def backward(
    u, delta, A, B, C, D, bias, routes, states, carries, dy, scratch, du, ddelta, dA, dB, dC, dD, dbias,
    number, groups, dim, length, delta_batch, delta_route, blocks_each, part_size, programs_before,
    SOFTPLUS: tl.constexpr, STATE: tl.constexpr, STATES: tl.constexpr, STEPS: tl.constexpr, PARTS: tl.constexpr,
    LANES: tl.constexpr, BLOCK: tl.constexpr, ATOMIC: tl.constexpr,
):  # fmt: skip
    """All gradients over a segment, from the adjoint that enters it (``carries``) and the state before each block.

    Within a block the states are computed again: those before every chunk of STEPS go to the program's ``scratch``,
    those in between stay in registers while the chunks run back. dB and dC are summed over the tile's channels, then
    added to those of the other tiles with atomic additions, or written to a buffer per tile ``part_size`` apart.
    """
    batch, row, item, route, group, tile = locate(tl.program_id(0) + programs_before, number, groups, dim, PARTS, LANES)
    channel, has_channel = channels_of(tile, group, groups, dim, PARTS, LANES)
    flat_channel, flat_state, exists = states_of(tile, group, groups, dim, STATE, STATES, PARTS, LANES)
    at = flat_state * dim + flat_channel
    index = tl.arange(0, STEPS)[:, None, None, None]
    rates = rates_of(A, route, dim, flat_channel, flat_state, exists, STATE, STATES, PARTS, LANES)
    u += batch * length * dim
    dy += batch * length * dim
    delta += batch * delta_batch + route.to(tl.int64) * delta_route
    du += row * length * dim
    ddelta += batch * delta_batch + route.to(tl.int64) * delta_route
    B += item * length * STATE
    C += item * length * STATE
    dB += item * length * STATE + tile.to(tl.int64) * part_size
    dC += item * length * STATE + tile.to(tl.int64) * part_size
    if routes is not None:
        routes += route * length
    if bias is not None:
        bias = tl.load(bias + route * dim + channel, mask=has_channel, other=0.0).to(tl.float32)
    if D is not None:
        D = tl.load(D + route * dim + channel, mask=has_channel, other=0.0).to(tl.float32)

    segment = row * tl.num_programs(1) + tl.program_id(1)
    states += row * tl.cdiv(length, BLOCK) * STATE * dim + at
    program = (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)).to(tl.int64)
    in_tile = flat_state * (PARTS * LANES) + flat_channel - group * (dim // groups) - tile * (PARTS * LANES)
    scratch += program * (BLOCK // STEPS) * (PARTS * STATES * LANES) + in_tile
    carry = tl.load(carries + segment * STATE * dim + at, mask=exists, other=0.0)
    carry = tl.reshape(carry, [1, PARTS, STATES, LANES])
    sum_A = tl.reshape(tl.zeros([PARTS * STATES * LANES], tl.float32), [1, PARTS, STATES, LANES])
    sum_D = tl.zeros([STEPS, PARTS, LANES], tl.float32)
    sum_bias = tl.zeros([1, PARTS, LANES], tl.float32)
    first = tl.program_id(1) * blocks_each
    blocks = tl.minimum(blocks_each, tl.cdiv(length, BLOCK) - first)
    for blocks_done in range(0, blocks):
        block = first + blocks - 1 - blocks_done
        start = block * BLOCK
        chunks = tl.cdiv(tl.minimum(BLOCK, length - start), STEPS)
        h = tl.load(states + block.to(tl.int64) * STATE * dim, mask=exists, other=0.0)
        h = tl.reshape(h, [1, PARTS, STATES, LANES])
        near, is_near, near_weights, has_weights = visit(
            routes, start, length, dim, channel, has_channel, STEPS, STATE, STATES
        )
        near_u, near_delta, near_B, _same = fetch(u, delta, B, None, near, is_near, near_weights, has_weights)
        for chunk in range(0, chunks):
            tl.store(scratch + chunk * (PARTS * STATES * LANES), tl.reshape(h, [PARTS * STATES * LANES]))
            is_here, u_t, delta_t, B_t = is_near, near_u, near_delta, near_B
            near, is_near, near_weights, has_weights = visit(
                routes, start + (chunk + 1) * STEPS, length, dim, channel, has_channel, STEPS, STATE, STATES
            )
            near_u, near_delta, near_B, _same = fetch(u, delta, B, None, near, is_near, near_weights, has_weights)
            sizes, _slopes = step_sizes(delta_t, bias, is_here, SOFTPLUS)
            decay = tl.exp2(sizes[:, :, None, :] * rates)
            drive = (sizes * u_t)[:, :, None, :] * B_t[:, None, :, None]
            for i in tl.static_range(STEPS):
                h = step_of(decay, index, i) * h + step_of(drive, index, i)
        tl.debug_barrier()  # scratch is read by other threads than wrote it

        near, is_near, near_weights, has_weights = visit(
            routes, start + (chunks - 1) * STEPS, length, dim, channel, has_channel, STEPS, STATE, STATES
        )
        near_u, near_delta, near_B, near_C = fetch(u, delta, B, C, near, is_near, near_weights, has_weights)
        near_dy = tl.load(dy + near, mask=is_near, other=0.0).to(tl.float32)
        for chunks_done in range(0, chunks):
            chunk = chunks - 1 - chunks_done
            here, is_here, weights, is_weight = near, is_near, near_weights, has_weights
            u_t, delta_t, dy_t = near_u, near_delta, near_dy
            B_t, C_t = near_B[:, None, :, None], near_C[:, None, :, None]
            before_chunk = start + tl.maximum(chunk - 1, 0) * STEPS
            near, is_near, near_weights, has_weights = visit(
                routes, before_chunk, length, dim, channel, has_channel, STEPS, STATE, STATES
            )
            near_u, near_delta, near_B, near_C = fetch(u, delta, B, C, near, is_near, near_weights, has_weights)
            near_dy = tl.load(dy + near, mask=is_near, other=0.0).to(tl.float32)
            h = tl.reshape(tl.load(scratch + chunk * (PARTS * STATES * LANES)), [1, PARTS, STATES, LANES])
            sizes, slopes = step_sizes(delta_t, bias, is_here, SOFTPLUS)
            drive_u = (sizes * u_t)[:, :, None, :]
            decay = tl.exp2(sizes[:, :, None, :] * rates)
            drive = drive_u * B_t
            before, after = drive, drive
            for i in tl.static_range(STEPS):
                before = tl.where(index == i, h, before)
                h = step_of(decay, index, i) * h + step_of(drive, index, i)
                after = tl.where(index == i, h, after)
            of_C = tl.sum(tl.sum(after * dy_t[:, :, None, :], axis=1), axis=2)
            if ATOMIC:
                tl.atomic_add(dC + weights, of_C, mask=is_weight, sem="relaxed")
            else:
                tl.store(dC + weights, of_C, mask=is_weight)
            adjoint = C_t * dy_t[:, :, None, :]
            decayed = adjoint
            for i in tl.static_range(STEPS):
                carry = step_of(adjoint, index, STEPS - 1 - i) + carry
                adjoint = tl.where(index == STEPS - 1 - i, carry, adjoint)
                carry = step_of(decay, index, STEPS - 1 - i) * carry
                decayed = tl.where(index == STEPS - 1 - i, carry, decayed)

            of_B = tl.sum(tl.sum(adjoint * drive_u, axis=1), axis=2)
            if ATOMIC:
                tl.atomic_add(dB + weights, of_B, mask=is_weight, sem="relaxed")
            else:
                tl.store(dB + weights, of_B, mask=is_weight)

            through_B = tl.sum(adjoint * B_t, axis=2)
            of_decay = decayed * before  # the gradient of log(decay)
            sum_A += tl.sum(of_decay * sizes[:, :, None, :], axis=0, keep_dims=True)
            of_steps = (u_t * through_B + tl.sum(of_decay * rates, axis=2) * LN_2) * slopes
            of_u = through_B * sizes
            if D is not None:
                of_u += D * dy_t
                sum_D += dy_t * u_t
            sum_bias += tl.sum(of_steps, axis=0, keep_dims=True)
            tl.store(du + here, of_u.to(du.dtype.element_ty), mask=is_here)
            tl.store(ddelta + here, of_steps.to(ddelta.dtype.element_ty), mask=is_here)
        tl.debug_barrier()

    place = ((batch * tl.num_programs(1) + tl.program_id(1)) * number + route) * dim
    tl.store(dA + place * STATE + at, tl.reshape(sum_A, [PARTS * STATES * LANES]), mask=exists)
    if D is not None:
        tl.store(dD + place + channel, tl.sum(sum_D, axis=0, keep_dims=True), mask=has_channel)
    if bias is not None:
        tl.store(dbias + place + channel, sum_bias, mask=has_channel)
