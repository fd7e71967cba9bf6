"""Load checkpoints without running code that they may carry."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from cuescan.errors import UserError


def load_checkpoint(path: Path | str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Load a checkpoint of a cuescan trainer; only tensors and plain values are accepted.

    Raises:
        UserError: the file is missing, incomplete, or needs more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint; give the path of a checkpoint_*.pth file") from None
    except pickle.UnpicklingError:
        raise UserError(
            f"{path}: not a checkpoint of tensors and plain values only, so loading it could run code; "
            "use one that a cuescan trainer wrote"
        ) from None
    except (OSError, EOFError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is empty"
        raise UserError(f"{path}: the checkpoint cannot be read ({reason}); use another") from None
