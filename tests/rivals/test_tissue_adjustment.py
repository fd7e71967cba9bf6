from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from cuescan.rivals.tissue_adjustment import blurred, classes_apart, other_tissue, white_background


def test_the_blur_is_scipys() -> None:
    x = torch.rand(2, 1, 21, 34, generator=torch.Generator().manual_seed(0))
    expected = [gaussian_filter(image[0].numpy(), 2.0, mode="nearest") for image in x]
    np.testing.assert_allclose(blurred(x, 2.0)[:, 0].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_white_is_background_and_tissue_is_not() -> None:
    image = torch.full((1, 3, 40, 40), 250.0)
    image[:, :, :, 20:] = torch.tensor([220.0, 150.0, 200.0]).view(1, 3, 1, 1)
    white = white_background(image)
    assert white.shape == (1, 1, 40, 40)
    torch.testing.assert_close(white[..., :10], torch.full((1, 1, 40, 10), 0.75))
    assert white[..., 30:].max() < 1e-6
    torch.testing.assert_close(white_background(torch.full((1, 3, 8, 8), 240.0)), torch.full((1, 1, 8, 8), 0.375))


@given(arrays(np.float32, (4, 6), elements=st.floats(0, 1, width=32)))
def test_classes_are_set_apart_by_the_greatest_of_the_others(shares: np.ndarray) -> None:
    apart = classes_apart(torch.from_numpy(shares).view(1, 4, 2, 3)).view(4, 6).numpy()
    for number in range(4):
        others = np.delete(shares, number, 0).max(0)
        np.testing.assert_allclose(apart[number], np.maximum(shares[number] - others, 0), atol=1e-7)


def test_a_single_class_has_nothing_to_be_set_apart_from() -> None:
    shares = torch.rand(1, 1, 3, 3)
    assert torch.equal(classes_apart(shares), shares)


def test_other_tissue_is_what_no_class_claims() -> None:
    other = other_tissue(torch.tensor([[0.0, 0.2], [0.0, 1.0]]).view(1, 2, 1, 2))
    torch.testing.assert_close(other.flatten(), torch.tensor([0.05, 0.0]))
