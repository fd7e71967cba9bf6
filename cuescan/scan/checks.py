"""What the arguments of a selective scan must be; each message names the argument, the rule and the value."""

from __future__ import annotations

import torch
from torch import Tensor

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_tensors(given: dict[str, Tensor | None]) -> None:
    """Check types, dtypes and devices; the first one is the input u, and whatever may be absent may be None.

    Raises:
        ValueError: A device does not fit, or u is not (batch, dim, length).
        TypeError: An argument is no tensor, or its dtype is not a real floating-point one.
    """
    u = given["u"]
    for name, tensor in given.items():
        if tensor is None and name in ("D", "z", "delta_bias"):
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
        if tensor.dtype not in _DTYPES:
            raise TypeError(f"{name} must be float16, bfloat16, float32 or float64, got {tensor.dtype}")
        if isinstance(u, Tensor) and tensor.device != u.device:
            raise ValueError(f"{name} must be on u's device {u.device}, got {tensor.device}")
    if isinstance(u, Tensor) and (u.dim() != 3 or 0 in u.shape):
        raise ValueError(f"u must be (batch, dim, length), none of them 0, got {tuple(u.shape)}")


def check_shape(name: str, tensor: Tensor | None, axes: str, *wanted: int | None) -> None:
    """Check a shape; ``axes`` names it in the message, and None stands for any size but 0.

    Raises:
        ValueError: The tensor is given and its shape is another.
    """
    if tensor is None:
        return
    fits = tensor.dim() == len(wanted) and all(
        size == want or (want is None and size > 0) for size, want in zip(tensor.shape, wanted, strict=False)
    )
    if not fits:
        sizes = ", ".join("any" if want is None else str(want) for want in wanted)
        raise ValueError(f"{name} must be {axes} = ({sizes}), got {tuple(tensor.shape)}")


def check_weights(name: str, weights: Tensor, batch: int, state: int, length: int) -> None:
    """Check the shape of B or C, which may come without groups.

    Raises:
        ValueError: It does not fit.
    """
    if weights.dim() == 3:
        check_shape(name, weights, "(batch, state, length)", batch, state, length)
    else:
        check_shape(name, weights, "(batch, groups, state, length)", batch, None, state, length)


def check_groups(dim: int, groups_B: int, groups_C: int) -> None:
    """Check that B and C have the same groups and that they divide the channels.

    Raises:
        ValueError: They do not.
    """
    if dim % groups_B:
        raise ValueError(f"B's groups must divide u's dim {dim}, got {groups_B}")
    if groups_C != groups_B:
        raise ValueError(f"C must have as many groups as B, {groups_B}, got {groups_C}")


def check_routes(routes: Tensor, u: Tensor) -> None:
    """Check that routes are rows of positions of u; that each position occurs once is left to the caller.

    Raises:
        ValueError: The device or the shape does not fit, or (seen on a CPU only) there is no such position.
        TypeError: It is no tensor of integers.
    """
    if not isinstance(routes, Tensor):
        raise TypeError(f"routes must be a tensor, got {type(routes).__name__}")
    if routes.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"routes must be int32 or int64, got {routes.dtype}")
    if routes.device != u.device:
        raise ValueError(f"routes must be on u's device {u.device}, got {routes.device}")
    length = u.shape[2]
    check_shape("routes", routes, "(routes, length)", None, length)
    if routes.device.type == "cpu" and not torch.compiler.is_compiling():  # elsewhere it would make the CPU wait
        least, most = (int(bound) for bound in routes.aminmax())
        if least < 0 or most >= length:
            raise ValueError(f"routes must hold positions 0 ... {length - 1}, got {least} ... {most}")
