"""The data sets that have a script."""

from __future__ import annotations

from dataclasses import dataclass

SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Known:
    """A data set that has a script.

    Attributes:
        number: its number in the benchmark's own nnUNet_raw.
        name: what follows ``DatasetXXX_``.
        held: whether test images have to be held out, unless ``test`` names a folder of them.
        masks: whether training cases have masks, for the fully supervised bound.
        folder: its folder below the folder of real images; None where it is a download of the user's.
        tests: the test images in words, where the data set brings them.
    """

    number: int
    name: str
    held: bool
    masks: bool
    folder: str | None = None
    tests: str = ""


SETS = {
    "glas": Known(501, "GlaS", True, True, "glas"),
    "consep": Known(502, "CoNSeP", True, True, "consep"),
    "dfutissue": Known(
        503, "DFUTissue", False, True, "dfutissue", "the release's split test, or val where it has none"
    ),
    "luad_histoseg": Known(504, "LUAD-HistoSeg", False, False, tests="the release's test/"),
    "bcss_wsss": Known(505, "BCSS-WSSS", False, False, tests="the release's test/"),
    SYNTHETIC: Known(506, "Synthetic", False, True, tests="drawn from another seed"),
}
