"""The deep contrast loss for a network and the labels that it learns from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from cuescan.cues import Cues
from cuescan.cues.balance import balanced_absence
from cuescan.errors import UserError
from cuescan.losses import DeepContrastLoss
from cuescan.networks import PathMamba
from cuescan.training.network_building import LOSS_ARGUMENTS, build_loss

BALANCED = "balanced"
"""``absent_weight`` of the loss that follows from how many training images, or parts of them, show each class."""


def build_label_loss(
    network: PathMamba, cues: Cues, cases: Iterable[str], given: Mapping[str, Any], variable: str = LOSS_ARGUMENTS
) -> nn.Module:
    """Build the loss; ``given`` overrides what follows from the network, and may balance absence.

    Args:
        network: whose maps are judged.
        cues: of the data set.
        cases: names of the training cases.
        given: arguments of :class:`cuescan.losses.DeepContrastLoss`; ``absent_weight`` may be "balanced".
        variable: where users state them.

    Raises:
        UserError: the loss does not take them; names the variable.
    """
    known = {"xi": network.xi, "exclusive": network.exclusive, "background": network.background}
    arguments = dict(given)
    if arguments.get("absent_weight") == BALANCED:
        arguments["absent_weight"] = balanced_absence(cues, cases)
    _check_absent_weight(arguments.get("absent_weight"), cues, variable)
    return build_loss(DeepContrastLoss, known, arguments, variable)


def _check_absent_weight(weight: Any, cues: Cues, variable: str) -> None:
    numbers = isinstance(weight, list) and all(isinstance(value, int | float) for value in weight)
    if weight is not None and not (numbers and len(weight) == len(cues.classes)):
        raise UserError(
            f'{variable}: absent_weight is {json.dumps(weight)} but must be "balanced" or one number for '
            f"each of {', '.join(cues.classes)}; correct it"
        )
