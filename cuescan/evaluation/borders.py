"""How far from a border between classes the wrong pixels lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.ndimage import distance_transform_edt

from cuescan.evaluation.labels import Labels


class BorderBands:
    """Pixels and wrong pixels by distance from the nearest border of the reference, over any number of masks.

    Near a border a mask is drawn a few pixels off; far from all borders a class is mistaken for another. The bands are
    trimaps (Kohli et al., IJCV 2009, "Robust higher order potentials for enforcing label consistency").

    Attributes:
        widths: N upper ends of the bands, in pixels; a last band holds what is further than all of them.
        pixels: int64 array of N + 1 counts, labelled pixels of each band.
        wrong: int64 array of N + 1 counts, those of ``pixels`` whose predicted label is another.
    """

    def __init__(self, labels: Labels, widths: Sequence[float]) -> None:
        """Start with no pixel.

        Raises:
            ValueError: the widths are not positive and increasing, or there are none.
        """
        ends = [0.0, *widths]
        if not widths or not all(low < high for low, high in pairwise(ends)):
            raise ValueError("widths must be positive and increasing")
        self.labels = labels
        self.widths = tuple(widths)
        self.pixels = np.zeros(len(ends), dtype=np.int64)
        self.wrong = np.zeros(len(ends), dtype=np.int64)

    def update(self, reference: np.ndarray, prediction: np.ndarray) -> None:
        """Add one case; pixels whose reference or prediction is ``ignore`` are left out.

        A pixel's distance is that to the centre of the nearest pixel of another class: 1 beside a border, infinite
        where the image holds one class.

        Args:
            reference: labels 0..K or ``ignore``, shape (H, W).
            prediction: labels 0..K or ``ignore``, the same shape.
        """
        counted = (reference != self.labels.ignore) & (prediction != self.labels.ignore)
        band = np.searchsorted(self.widths, self._distances(reference))
        self.pixels += np.bincount(band[counted], minlength=len(self.pixels))
        self.wrong += np.bincount(band[counted & (reference != prediction)], minlength=len(self.pixels))

    def _distances(self, reference: np.ndarray) -> np.ndarray:
        labelled = reference != self.labels.ignore
        distances = np.full(reference.shape, np.inf)
        for label in np.unique(reference[labelled]):
            own, other = reference == label, labelled & (reference != label)
            if other.any():
                distances[own] = distance_transform_edt(~other)[own]
        return distances
