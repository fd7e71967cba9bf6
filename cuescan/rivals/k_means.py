"""k-means whose result depends on points, start and generator alone."""

from __future__ import annotations

import numpy as np


def k_means(points: np.ndarray, start: np.ndarray, generator: np.random.Generator, steps: int = 300) -> np.ndarray:
    """Divide points into clusters by Lloyd's algorithm.

    Args:
        points: (N, C), N at least 1.
        start: (k, C), where the centres begin; rows of NaN are drawn by k-means++ (Arthur and Vassilvitskii, 2007).
        generator: Of the draws.
        steps: At most so many; it ends before where no point changes its cluster.

    Returns:
        (N,) integers in [0, k). A cluster that loses all its points keeps its centre.
    """
    points = points.astype(np.float64)
    centres = _with_all_drawn(points, start.astype(np.float64), generator)
    clusters = _squared_distances(points, centres).argmin(1)
    for _ in range(steps):
        for number in np.unique(clusters):
            centres[number] = points[clusters == number].mean(0)
        nearest = _squared_distances(points, centres).argmin(1)
        if np.array_equal(nearest, clusters):
            break
        clusters = nearest
    return clusters


def cluster_means(points: np.ndarray, clusters: np.ndarray, k: int) -> np.ndarray:
    """Mean of each cluster's points, (k, C); rows of NaN for clusters without any."""
    means = np.full((k, points.shape[1]), np.nan)
    for number in np.unique(clusters[clusters >= 0]):
        means[number] = points[clusters == number].mean(0)
    return means


def _with_all_drawn(points: np.ndarray, centres: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    known = [centre for centre in centres if not np.isnan(centre).any()]
    drawn = centres.copy()
    for row in np.flatnonzero(np.isnan(centres).any(1)):
        weight = _squared_distances(points, np.stack(known)).min(1) if known else np.ones(len(points))
        total = weight.sum()
        drawn[row] = points[generator.choice(len(points), p=weight / total if total > 0 else None)]
        known.append(drawn[row])
    return drawn


def _squared_distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N, k), accurate for points far from the origin too."""
    middle = points.mean(0)
    points, centres = points - middle, centres - middle
    product = points @ centres.T
    return np.maximum((points**2).sum(1)[:, None] - 2 * product + (centres**2).sum(1), 0)
