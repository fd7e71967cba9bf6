from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from cuescan.rivals.k_means import cluster_means, k_means

EMPTY = np.full((3, 4), np.nan)


def points(seed: int = 0, number: int = 60) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(number, 4)) + 3 * generator.integers(0, 3, number)[:, None]


def test_it_is_lloyds_algorithm() -> None:
    x, start = points(), points(1)[:3]
    expected = KMeans(3, init=start, n_init=1, tol=0, algorithm="lloyd").fit(x).labels_
    assert np.array_equal(k_means(x, start, np.random.default_rng(0)), expected)


def test_equal_seeds_give_equal_clusters_wherever_the_points_lie() -> None:
    x = points()
    one, other, far = (k_means(x + shift, EMPTY, np.random.default_rng(5)) for shift in (0, 0, 1e6))
    assert np.array_equal(one, other) and np.array_equal(one, far)
    assert set(one) == {0, 1, 2}


def test_single_precision_gives_the_clusters_of_double() -> None:
    x = points().astype(np.float32)
    one, other = (k_means(y, EMPTY, np.random.default_rng(5)) for y in (x, x.astype(np.float64)))
    assert np.array_equal(one, other)


def test_beginning_with_clusters_keeps_their_numbers() -> None:
    x = np.repeat(np.eye(4)[:3], 5, axis=0) * 10 + np.random.default_rng(0).normal(size=(15, 4))
    clusters = np.repeat([2, 0, 1], 5)
    assert np.array_equal(k_means(x, cluster_means(x, clusters, 3), np.random.default_rng(0)), clusters)


def test_only_missing_centres_are_drawn() -> None:
    x = np.repeat(np.eye(4)[:3], 5, axis=0) * 10
    start = EMPTY.copy()
    start[1] = x[0]
    found = k_means(x, start, np.random.default_rng(0))
    assert (found[:5] == 1).all() and len(set(found)) == 3


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 3))
def test_few_and_equal_points_are_no_trouble(number: int, k: int, seed: int) -> None:
    x = np.random.default_rng(seed).integers(0, 2, (number, 2)).astype(float)
    found = k_means(x, np.full((k, 2), np.nan), np.random.default_rng(seed))
    assert found.shape == (number,) and ((found >= 0) & (found < k)).all()
    for one in range(number):
        for other in range(number):
            if np.array_equal(x[one], x[other]):
                assert found[one] == found[other]


def test_means_of_clusters_leave_out_what_is_unassigned() -> None:
    means = cluster_means(np.array([[1.0], [3.0], [99.0]]), np.array([1, 1, -1]), 2)
    assert np.isnan(means[0, 0]) and means[1, 0] == pytest.approx(2)
