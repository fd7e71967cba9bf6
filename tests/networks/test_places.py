"""Place arrays on grids, held to a plain loop over pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from cuescan.networks.places import (
    MARGIN,
    ellipse_depth,
    frame_of,
    in_frame,
    place_features,
    rasterise,
    stated_share,
)

NAN = float("nan")
UNUSED = [NAN] * 6


def places(*rows: list[float]) -> Tensor:
    """A place array (1, 1, 4, 6) of these rows and unused ones."""
    return torch.tensor([[list(rows) + [UNUSED] * (4 - len(rows))]])


def drawn(row: list[float], height: int, width: int, slack_x: float = 0.0, slack_y: float = 0.0) -> np.ndarray:
    """A region, pixel by pixel."""
    left, top, right, bottom = (float(np.float32(value)) for value in row[:4])
    mask = np.zeros((height, width), dtype=bool)
    for i, j in np.ndindex(height, width):
        x, y = (j + 0.5) / width, (i + 0.5) / height
        wide = left - slack_x <= x <= right + slack_x or j == min(int((left + right) / 2 * width), width - 1)
        high = top - slack_y <= y <= bottom + slack_y or i == min(int((top + bottom) / 2 * height), height - 1)
        mask[i, j] = wide and high
    return mask


@given(st.integers(0, 10_000), st.integers(1, 13), st.integers(1, 17), st.booleans())
def test_a_region_equals_a_loop_over_pixels(seed: int, height: int, width: int, tight: bool) -> None:
    rng = np.random.default_rng(seed)
    (left, right), (top, bottom) = np.sort(rng.uniform(0, 1, 2)), np.sort(rng.uniform(0, 1, 2))
    row = [left, top, right, bottom, float(tight), NAN]
    regions = rasterise(places(row), height, width, 0.07)
    slack = (0.499 / width, 0.499 / height) if tight else (0.07, 0.07)
    np.testing.assert_array_equal(regions.rows[0, 0, 0].numpy(), drawn(row, height, width))
    np.testing.assert_array_equal(regions.allowed[0, 0].numpy(), drawn(row, height, width, *slack))
    assert regions.rows[0, 0, 0].any() and not regions.rows[0, 0, 1:].any()
    assert regions.stated[0, 0].tolist() == [True, False, False, False]
    assert regions.tight[0, 0].tolist() == [tight, False, False, False]


def test_a_ninth_with_half_a_cell_around_it() -> None:
    cell = rasterise(places([1 / 3, 0, 2 / 3, 1 / 3, 0, NAN]), 12, 12, MARGIN)
    rows, columns = torch.nonzero(cell.allowed[0, 0], as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 5, 2, 9)
    rows, columns = torch.nonzero(cell.rows[0, 0, 0], as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 3, 4, 7)


def test_a_tight_box_allows_every_pixel_that_it_touches() -> None:
    whole = rasterise(places([1 / 12, 5 / 12, 7 / 12, 11 / 12, 1, NAN]), 12, 12, MARGIN)
    assert whole.rows.sum() == whole.allowed.sum() == 36
    cut = rasterise(places([0.7 / 12, 4.7 / 12, 7.3 / 12, 11.3 / 12, 1, NAN]), 12, 12, MARGIN)
    assert torch.equal(cut.rows, whole.rows) and cut.allowed.sum() == 64


def test_regions_are_united_and_nothing_stated_allows_everything() -> None:
    one, other = [0, 0, 0.25, 0.25, 1, NAN], [0.75, 0.75, 1, 1, 0, NAN]
    both = rasterise(places(one, other), 16, 16, 0.0).allowed
    alone = [rasterise(places(row), 16, 16, 0.0).allowed for row in (one, other)]
    assert torch.equal(both, alone[0] | alone[1])
    assert rasterise(places(), 4, 4, 0.0).allowed.all()
    assert rasterise(places([NAN, NAN, NAN, NAN, NAN, 0.2]), 4, 4, 0.0).allowed.all()


@pytest.mark.parametrize("corner", [0.0, 0.5, 1.0])
def test_a_box_smaller_than_a_pixel_still_holds_one(corner: float) -> None:
    row = [corner, corner, corner, corner, 1, NAN]
    assert rasterise(places(row), 4, 4, 0.0).rows.sum() == 1
    assert (ellipse_depth(places(row), 4, 4, 0.5)[0, 0, 0] >= 0).any()


def test_the_depth_of_an_ellipse() -> None:
    depth = ellipse_depth(places([0, 0, 1, 1, 1, NAN]), 4, 2)
    x, y = torch.tensor([0.25, 0.75]), torch.tensor([0.125, 0.375, 0.625, 0.875])
    expected = 1 - ((x - 0.5) / 0.5)[None] ** 2 - ((y - 0.5) / 0.5)[:, None] ** 2
    torch.testing.assert_close(depth[0, 0, 0], expected)
    assert depth[0, 0, 1:].isnan().all()
    smaller = ellipse_depth(places([0, 0, 1, 1, 1, NAN]), 4, 2, scale=0.75)
    torch.testing.assert_close(1 - smaller[0, 0, 0], (1 - expected) / 0.75**2)


def test_features() -> None:
    place = places([0, 0, 0.5, 0.5, 1, 0.16], [0.5, 0.5, 1, 1, 0, 0.16])
    features = place_features(place, 4, 4)[0, 0]
    quadrants = torch.zeros(4, 4)
    quadrants[:2, :2] = quadrants[2:, 2:] = 1
    assert (features[0] == 1).all() and (features[1] == 1).all() and torch.equal(features[2], quadrants)
    torch.testing.assert_close(features[3, :2, :2], torch.full((2, 2), 0.5))  # 1 - (1/2)^2 - (1/2)^2
    assert features[3, 0, 3] == -1 and features[3].amin() == -1
    assert (features[4] == 1).all()
    torch.testing.assert_close(features[5], torch.full((4, 4), 0.4))


def test_features_of_what_is_not_stated_are_zero() -> None:
    share_alone = places([NAN, NAN, NAN, NAN, NAN, 0.25])
    features = place_features(torch.cat([places(), share_alone]), 3, 5)
    assert features.shape == (2, 1, 6, 3, 5) and (features[0] == 0).all() and (features[1, 0, :4] == 0).all()
    assert (features[1, 0, 4] == 1).all() and (features[1, 0, 5] == 0.5).all()


def test_the_share_of_a_class_is_the_one_stated_in_any_row() -> None:
    rows = [0, 0, 1, 1, 0]
    shares = stated_share(torch.cat([places([*rows, 0.3], [*rows, 0.3]), places([*rows, NAN], [*rows, 0]), places()]))
    torch.testing.assert_close(shares, torch.tensor([[0.3], [0.0], [NAN]]), equal_nan=True)


def test_a_padded_image_keeps_its_places() -> None:
    valid = torch.zeros(2, 1, 20, 16, dtype=torch.bool)
    valid[0, :, 5:15, 4:12] = True
    valid[1, :, :10, :8] = True
    place = places([0.1, 0.2, 0.5, 0.9, 1, 0.3]).expand(2, -1, -1, -1)
    frame = frame_of(valid)
    torch.testing.assert_close(frame, torch.tensor([[0.25, 0.25, 0.75, 0.75], [0, 0, 0.5, 0.5]]))
    padded = rasterise(in_frame(place, frame), 20, 16, 0.0).rows[:, 0, 0]
    alone = rasterise(place, 10, 8, 0.0).rows[0, 0, 0]
    assert torch.equal(padded[0, 5:15, 4:12], alone) and torch.equal(padded[1, :10, :8], alone)
    assert torch.equal(padded.sum((1, 2)), alone.sum().expand(2))
    assert torch.equal(in_frame(place, frame)[..., 4:].nan_to_num(-1), place[..., 4:].nan_to_num(-1))


class Features(nn.Module):
    def forward(self, image: Tensor, place: Tensor) -> Tensor:
        height, width = image.shape[2] // 4, image.shape[3] // 4
        return torch.cat(
            [place_features(place, height, width).flatten(1, 2), rasterise(place, height, width).allowed], 1
        )


def cases() -> list[tuple[Tensor, Tensor]]:
    place = torch.cat([places([0, 0.2, 0.4, 0.5, 1, 0.1], [0.5, 0.5, 1, 1, 0, NAN]), places()])
    return [(torch.zeros(2, 3, 32, 48), place), (torch.zeros(1, 3, 64, 40), place[:1])]


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_scripted_equals_eager() -> None:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(Features()), file)
    file.seek(0)
    scripted = torch.jit.load(file)
    for image, place in cases():
        torch.testing.assert_close(scripted(image, place), Features()(image, place))


def test_an_exported_program_takes_any_batch_and_size() -> None:
    auto = torch.export.Dim.AUTO
    program = torch.export.export(Features(), cases()[0], dynamic_shapes=({0: auto, 2: auto, 3: auto}, {0: auto}))
    for image, place in cases():
        torch.testing.assert_close(program.module()(image, place), Features()(image, place))
