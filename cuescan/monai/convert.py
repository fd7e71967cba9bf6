"""``cuescan convert``: a model of nnU-Net as a bundle, and a bundle's model as one of nnU-Net."""

from __future__ import annotations

from pathlib import Path

from cuescan.errors import UserError
from cuescan.monai import from_nnunet, to_nnunet
from cuescan.monai.model_card import FILE

NNUNET, BUNDLE = "a model of nnU-Net", "a bundle"


def convert(
    source: Path,
    output: Path,
    fold: str | None = None,
    checkpoint: str | None = None,
    encoder: Path | None = None,
    overwrite: bool = False,
) -> tuple[str, bool]:
    """Convert a model into a folder that is either written as a whole or not at all.

    Args:
        source: folder of a trained model of nnU-Net, or of a bundle with a trained model.
        output: the folder to write.
        fold: number, or "all": of nnU-Net's model the one to take, else the one that the model is to be.
        checkpoint: name of the file of weights, if it is not the usual one.
        encoder: folder of the text encoder, or one that holds it.
        overwrite: replace what an earlier conversion wrote.

    Returns:
        What was written, ``NNUNET`` or ``BUNDLE``, and whether prompts will find their encoder.

    Raises:
        UserError: there is nothing to convert, it does not fit, or something else lies in the way.
    """
    kind = kind_of(source)
    if kind is None:
        raise UserError(
            f"{source}: neither a trained model of nnU-Net (a folder with plans.json and fold_0) nor a bundle with a "
            f"trained model (models/{FILE}); correct the path"
        )
    if fold is not None and fold != "all" and not fold.isdigit():
        raise UserError(f"-f is '{fold}' but a fold is a number or 'all'; correct it")
    _check_output(source, output, overwrite)
    if kind == NNUNET:
        model = from_nnunet.read_model(source, fold, checkpoint or from_nnunet.CHECKPOINT)
        return BUNDLE, from_nnunet.write_bundle(model, output, encoder)
    model = to_nnunet.read_bundle(source, checkpoint or from_nnunet.MODEL)
    return NNUNET, to_nnunet.write_model(model, output, fold or "0", encoder)


def kind_of(folder: Path) -> str | None:
    """What a folder holds: ``NNUNET``, ``BUNDLE`` or neither."""
    if (folder / "models" / FILE).is_file():
        return BUNDLE
    return NNUNET if (folder / "plans.json").is_file() else None


def _check_output(source: Path, output: Path, overwrite: bool) -> None:
    one, other = source.resolve(), output.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise UserError(f"{output}: this is, holds or lies in the folder that is converted; give another folder")
    if not output.exists():
        return
    if not overwrite:
        raise UserError(f"{output}: this is there already; give --overwrite to replace it, or another folder")
    if kind_of(output) is None:
        raise UserError(
            f"{output}: not replaced, since it is neither {NNUNET} nor {BUNDLE}; remove it, or give another folder"
        )
