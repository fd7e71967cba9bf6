"""``encoder: small``: a CLIP of few weights, trained on the data set's own pairs and kept for the next time."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from cuescan.encoders import small_training
from cuescan.encoders.loading import build_clip
from cuescan.encoders.preprocessing import Preprocessing
from cuescan.encoders.small_config import SMALL
from cuescan.encoders.sources import CONFIG, WEIGHTS
from cuescan.encoders.words import BytePairWords
from cuescan.errors import UserError


class Images(Protocol):
    """What gives images by number, such as a list; they need not be in memory together."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Any: ...


_RECIPE = 1  # counts up whenever the training changes, so that older encoders are not taken for newer ones


def small_encoder(
    images: Images,
    texts: Sequence[str | Sequence[str]],
    folder: Path | str,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Path:
    """Train a small open_clip CLIP on image-sentence pairs, or find the one that was trained on them before.

    A ModifiedResNet (96 x 96 pixels) and a text transformer of two layers learn by symmetric InfoNCE (Radford et al.,
    ICML 2021, section 2.3); sentences that are known to be true of several images of a batch are positives of all of
    them. Images are shifted, scaled and brightened a little, never mirrored, so that places and colours stay true.
    Equal pairs and seeds give equal weights on a CPU, with any number of cores. Words that no sentence
    holds get zero embeddings: they say nothing.

    Args:
        images: N images as (C, H, W) float arrays in [0, 1], C 1 or 3, of any sizes.
        texts: for each image a sentence, or several that are all true of it (one is drawn in each step).
        folder: where trained encoders are kept; made if it is not there.
        seed: decides weights, order and augmentation.
        device: where to train.

    Returns:
        A folder with ``open_clip_config.json`` and weights, for :func:`load_encoder`.

    Raises:
        UserError: there are fewer than two different sentences, so there is nothing to tell apart.
    """
    sentences = [(entry,) if isinstance(entry, str) else tuple(dict.fromkeys(entry)) for entry in texts]
    distinct = sorted({text for entry in sentences for text in entry})
    if len(distinct) < 2:
        raise UserError(
            f"the small encoder learns from differing sentences, but there is {len(distinct)}; write "
            "sentences that tell the images apart, or give a pretrained encoder"
        )
    small = _resized(images)
    key = _key(small, sentences, seed)
    place = Path(folder) / f"small_{key[:16]}"
    if (place / CONFIG).is_file():
        return place
    state = _trained(small, sentences, distinct, seed, torch.device(device))
    _write(place, state)
    return place


def _resized(images: Images) -> Tensor:
    """All images at the encoder's size, (N, 3, H, W) in 8 bits."""
    side = SMALL["preprocess_cfg"]["size"]
    resize = Preprocessing((side, side), {**SMALL["preprocess_cfg"], "mean": 0.0, "std": 1.0})
    small = torch.empty(len(images), 3, side, side, dtype=torch.uint8)
    for index in tqdm(range(len(images)), desc="images of the small encoder", unit="image", disable=None):
        image = torch.as_tensor(images[index], dtype=torch.float32)
        small[index] = (resize(image[None])[0] * 255).round().to(torch.uint8)
    return small


def _key(images: Tensor, sentences: Sequence[Sequence[str]], seed: int) -> str:
    settings = {name: value for name, value in vars(small_training).items() if name.isupper()}
    content = {"recipe": _RECIPE, "config": SMALL, "training": settings, "seed": seed, "sentences": sentences}
    sha = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    sha.update(images.numpy().tobytes())
    return sha.hexdigest()


def _trained(
    images: Tensor, sentences: Sequence[Sequence[str]], distinct: list[str], seed: int, device: torch.device
) -> dict[str, Tensor]:
    """Weights after training; tables of tokens and positions are trained as far as the sentences have any."""
    text = SMALL["model_cfg"]["text_cfg"]
    tokens = BytePairWords(text["context_length"], {}).tokens(distinct)
    tokens = tokens[:, : int((tokens != 0).nonzero()[:, 1].max()) + 1]  # padding follows the end and is not attended to
    used, compact = torch.unique(tokens, return_inverse=True)  # ascending, so the end token stays the largest
    row = {sentence: index for index, sentence in enumerate(distinct)}
    choices = [[row[sentence] for sentence in entry] for entry in sentences]
    model = copy.deepcopy(SMALL["model_cfg"])
    model["text_cfg"].update(vocab_size=len(used), context_length=tokens.shape[1])
    side = SMALL["preprocess_cfg"]["size"]
    prepare = Preprocessing((side, side), SMALL["preprocess_cfg"]).to(device)
    with small_training.repeatable(device, seed):
        clip = build_clip(model, "small").to(device)
        steps = small_training.steps_for(len(images))
        small_training.train(clip, images, compact, choices, prepare, steps, seed, device)
    state = {name: value.cpu().contiguous() for name, value in clip.state_dict().items()}
    table = torch.zeros(text["vocab_size"], text["width"])
    table[used] = state["token_embedding.weight"]
    positions = torch.zeros(text["context_length"], text["width"])
    positions[: tokens.shape[1]] = state["positional_embedding"]
    return {**state, "token_embedding.weight": table, "positional_embedding": positions}


def _write(place: Path, state: dict[str, Tensor]) -> None:
    """Write the encoder's folder, whole or not at all."""
    from safetensors.torch import save

    partial = place.with_name(f".{place.name}.{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        (partial / WEIGHTS[0]).write_bytes(save(state))
        (partial / CONFIG).write_text(json.dumps(SMALL, indent=4), encoding="utf-8")
        partial.replace(place)
    except OSError:
        if not (place / CONFIG).is_file():  # otherwise another process has finished the same encoder
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
