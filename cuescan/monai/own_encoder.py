"""The text encoder that belongs to a model, kept beside it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cuescan.encoders import load_encoder
from cuescan.encoders.sources import CONFIG, WEIGHTS
from cuescan.errors import UserError
from cuescan.monai.model_card import ModelCard

FILES = (
    CONFIG, *WEIGHTS, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json",
    "merges.txt",
)  # fmt: skip
"""What an encoder's folder may need; anything else in it is left behind."""


def keep_encoder(card: ModelCard, given: Path | None, places: Sequence[Path], folder: Path) -> tuple[ModelCard, bool]:
    """Copy the encoder of a model to where its prompts will look for it.

    Args:
        card: of the model.
        given: folder of the encoder, or one that holds it; None to look in ``places``.
        places: such folders, of which none needs to be there.
        folder: where encoders are kept beside the model.

    Returns:
        The card, on which a kept encoder is called "small", as all that lie beside their model; and whether prompts
        will find the encoder: it is kept, or open_clip finds it by its name, or the model takes no prompts.

    Raises:
        UserError: ``given`` is not the model's encoder.
    """
    digest = card.encoder_sha256
    if digest is None:
        return card, True
    if _copied(digest, places if given is None else [given], folder):
        return replace(card, options={**card.options, "encoder": "small"}), True
    if given is not None:
        raise UserError(
            f"{given}: not the folder of the encoder that the model was trained with (sha256 {digest[:12]}...); "
            "correct --encoder"
        )
    return card, "/" in str(card.options.get("encoder"))


def _copied(digest: str, places: Sequence[Path], folder: Path) -> bool:
    for place in places:
        for source in [place, *sorted(path.parent for path in place.glob(f"*/{CONFIG}"))]:
            if not _is(source, digest):
                continue
            target = folder / f"encoder_{digest[:16]}"
            target.mkdir(parents=True)
            for name in FILES:
                if (source / name).is_file():
                    shutil.copyfile(source / name, target / name)
            if _is(target, digest):
                return True
            shutil.rmtree(target)  # it needs further files
    return False


def _is(folder: Path, digest: str) -> bool:
    if not (folder / CONFIG).is_file():
        return False
    try:
        return load_encoder(folder).digest == digest
    except UserError:
        return False  # one that is broken, or needs a package that is not installed
