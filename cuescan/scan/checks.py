"""What the arguments of a selective scan must be; each message names the argument, the rule and the value."""

from __future__ import annotations

import torch
from torch import Tensor

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_arguments(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
) -> None:
    """Check shapes, dtypes and devices.

    Raises:
        ValueError: A shape or a device does not fit.
        TypeError: An argument is no tensor, or its dtype is not a real floating-point one.
    """
    named = {"u": u, "delta": delta, "A": A, "B": B, "C": C, "D": D, "z": z, "delta_bias": delta_bias}
    given = {
        name: tensor for name, tensor in named.items() if tensor is not None or name in ("u", "delta", "A", "B", "C")
    }
    for name, tensor in given.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
        if tensor.dtype not in _DTYPES:
            raise TypeError(f"{name} must be float16, bfloat16, float32 or float64, got {tensor.dtype}")
        if tensor.device != u.device:
            raise ValueError(f"{name} must be on u's device {u.device}, got {tensor.device}")
    if u.dim() != 3 or 0 in u.shape:
        raise ValueError(f"u must be (batch, dim, length), none of them 0, got {tuple(u.shape)}")
    batch, dim, length = u.shape
    if A.dim() != 2 or A.shape[0] != dim or A.shape[1] == 0:
        raise ValueError(f"A must be (dim, state) with u's dim {dim} and state >= 1, got {tuple(A.shape)}")
    state = A.shape[1]
    for name, tensor in (("delta", delta), ("z", z)):
        if tensor is not None and tensor.shape != u.shape:
            raise ValueError(f"{name} must have u's shape {tuple(u.shape)}, got {tuple(tensor.shape)}")
    for name, tensor in (("D", D), ("delta_bias", delta_bias)):
        if tensor is not None and tensor.shape != (dim,):
            raise ValueError(f"{name} must be (dim,) with u's dim {dim}, got {tuple(tensor.shape)}")
    for name, tensor in (("B", B), ("C", C)):
        shape = tuple(tensor.shape)
        if len(shape) not in (3, 4) or shape[0] != batch or shape[-2:] != (state, length):
            raise ValueError(
                f"{name} must be (batch, state, length) or (batch, groups, state, length) with batch {batch}, "
                f"state {state}, length {length}, got {shape}"
            )
        if len(shape) == 4 and (shape[1] == 0 or dim % shape[1]):
            raise ValueError(f"{name}'s groups must divide u's dim {dim}, got {shape[1]}")
    if (B.shape[1] if B.dim() == 4 else 1) != (C.shape[1] if C.dim() == 4 else 1):
        raise ValueError(f"C must have as many groups as B, whose shape is {tuple(B.shape)}, got {tuple(C.shape)}")
