import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cuescan.losses import log_generalised_mean


def gm(p: np.ndarray, r: float, weight: np.ndarray | None = None) -> np.ndarray:
    """Independent reference in float64: (sum w p^r / sum w)^(1/r)."""
    p = p.astype(np.float64).reshape(*p.shape[:2], -1)
    w = np.ones_like(p) if weight is None else np.broadcast_to(weight.reshape(len(p), 1, -1), p.shape)
    return ((w * p**r).sum(-1) / w.sum(-1)) ** (1 / r)


@given(st.integers(0, 10_000), st.sampled_from([0.5, 1.0, 4.0, 9.0]), st.booleans())
def test_equals_the_definition(seed: int, r: float, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.01, 0.99, (2, 3, 5, 4))
    weight = rng.integers(0, 2, (2, 1, 5, 4)).astype(float) if weighted else None
    if weight is not None:
        weight[:, :, 0, 0] = 1
    result = log_generalised_mean(torch.tensor(p).log(), r, None if weight is None else torch.tensor(weight)).exp()
    np.testing.assert_allclose(result.numpy(), gm(p, r, weight), rtol=2e-4)


def test_r_one_is_the_mean_and_large_r_approaches_the_maximum() -> None:
    p = torch.rand(2, 3, 8, 8).clamp_min(0.01)
    torch.testing.assert_close(log_generalised_mean(p.log(), 1.0).exp(), p.mean((2, 3)))
    assert ((log_generalised_mean(p.log(), 500.0).exp() - p.amax((2, 3))).abs() < 0.02).all()


def test_half_precision_neither_underflows_nor_overflows() -> None:
    log_p = torch.full((1, 1, 64, 64), -12.0, dtype=torch.float16, requires_grad=True)  # p^4 = 1e-21
    result = log_generalised_mean(log_p, 4.0)
    assert result.item() == pytest.approx(-12.0, abs=1e-3)
    result.sum().backward()
    assert torch.isfinite(log_p.grad).all() and log_p.grad.abs().sum() > 0


def test_padding_has_no_influence_and_no_gradient() -> None:
    log_p = torch.rand(1, 2, 4, 4).log().requires_grad_()
    weight = torch.ones(1, 1, 4, 4)
    weight[..., 2:] = 0
    padded = log_generalised_mean(log_p, 4.0, weight)
    torch.testing.assert_close(padded, log_generalised_mean(log_p[..., :2], 4.0))
    padded.sum().backward()
    assert (log_p.grad[..., 2:] == 0).all() and (log_p.grad[..., :2] != 0).all()


def test_r_must_be_positive() -> None:
    with pytest.raises(ValueError, match="r must be positive, got 0"):
        log_generalised_mean(torch.zeros(1, 1, 2, 2), 0)
