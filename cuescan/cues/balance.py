"""How often cues state that a class is absent beside how often they state that it is present."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cuescan.cues.model import Cues


def balanced_absence(cues: Cues, cases: Iterable[str]) -> list[float]:
    """Weight of each class's absence under which it counts as much as its presence: ``n_present / n_absent``.

    Labels of parts count where a case has some, else its own. A class that is never present or never absent weighs 1.
    """
    labels = []
    for case in cases:
        of_parts = cues.parts(case)[1]
        labels.append(of_parts if len(of_parts) else cues.label_vector(case)[None])
    stated = np.concatenate(labels)
    present, absent = (stated == 1).sum(0), (stated == 0).sum(0)
    return [float(p / a) if p and a else 1.0 for p, a in zip(present, absent, strict=True)]
