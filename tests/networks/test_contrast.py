import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cuescan.networks.contrast import attention_means, contrast_map


def test_contrast_map_equals_equation_2_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    patches, strong, weak, eta = rng.normal(size=(1, 4, 3, 2)), rng.normal(size=4), rng.normal(size=4), 0.3

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / math.sqrt((a @ a) * (b @ b)))

    expected = np.zeros((3, 2))
    for i in range(3):
        for j in range(2):
            p = patches[0, :, i, j]
            expected[i, j] = max(cosine(p, strong) - eta * cosine(p, weak), 0) ** 2
    expected /= expected.max()
    result = contrast_map(*(torch.tensor(a).float() for a in (patches, strong[None], weak[None])), eta)
    np.testing.assert_allclose(result[0, 0].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_attention_means_are_weighted_means_over_the_quantiles() -> None:
    tokens = torch.arange(8.0).view(1, 1, 2, 4)
    attention = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9]).view(1, 1, 2, 4)
    strong, weak = attention_means(tokens, attention, 0.25)
    assert strong.item() == pytest.approx((6 * 0.7 + 7 * 0.9) / 1.6, rel=1e-4)
    assert weak.item() == pytest.approx((0 * 0.9 + 1 * 0.8) / 1.7, rel=1e-4)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_map_lies_in_the_unit_interval_and_ignores_the_scale_of_tokens(seed: int, eta: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(2, 5, 4, 3, generator=generator)
    strong, weak = torch.randn(2, 5, generator=generator), torch.randn(2, 5, generator=generator)
    result = contrast_map(patches, strong, weak, eta)
    assert result.shape == (2, 1, 4, 3) and result.min() >= 0 and result.max() <= 1
    torch.testing.assert_close(result, contrast_map(7 * patches, 3 * strong, weak, eta), atol=1e-3, rtol=1e-3)


def test_no_contrast_leaves_the_gate_shut() -> None:
    tokens = torch.ones(1, 4, 3, 3)
    same = torch.ones(1, 4)
    assert contrast_map(tokens, -same, same).max() == 0


def test_attention_learns_from_the_contrast() -> None:
    attention = torch.rand(1, 1, 6, 6, requires_grad=True)
    strong, weak = attention_means(torch.randn(1, 4, 6, 6), attention)
    contrast_map(torch.randn(1, 4, 6, 6), strong, weak).sum().backward()
    assert attention.grad is not None and attention.grad.abs().sum() > 0


def test_eta_is_checked() -> None:
    with pytest.raises(ValueError, match=r"eta must lie in \[0, 1\], got 1.5"):
        contrast_map(torch.ones(1, 1, 1, 1), torch.ones(1, 1), torch.ones(1, 1), 1.5)
