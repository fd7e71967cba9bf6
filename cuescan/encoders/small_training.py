"""Training of the small encoder: symmetric InfoNCE over the pairs of one data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

BATCH = 32
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05
POSITION_GAIN = 10.0  # as large as the features from the start, else few images do not suffice to learn places
SHIFT = 0.03  # of the side
SCALE = 0.05
BRIGHTNESS = 0.08
CONTRAST = 0.1
NOISE = 0.02


def steps_for(pairs: int) -> int:
    """Optimiser steps for a number of pairs: about one minute for 150 on one core, four for 1500 and more."""
    return min(200 + pairs // 2, 950)


def train(
    clip: nn.Module,
    images: Tensor,
    tokens: Tensor,
    choices: Sequence[Sequence[int]],
    prepare: nn.Module,
    steps: int,
    seed: int,
    device: torch.device,
) -> None:
    """Train ``clip`` in place.

    Args:
        clip: an open_clip CLIP with a ModifiedResNet, on ``device``.
        images: (N, 3, H, W) uint8, resized already.
        tokens: (M, T) token numbers of the distinct sentences.
        choices: for each image the sentences that are true of it, as rows of ``tokens``.
        prepare: normalises images.
        steps: optimiser steps.
        seed: decides the order, the sentence drawn for an image, and the augmentation.
        device: where to train.
    """
    model: Any = clip
    with torch.no_grad():
        model.visual.attnpool.positional_embedding.mul_(POSITION_GAIN)
    optimizer = torch.optim.AdamW(_groups(clip), lr=LEARNING_RATE, betas=(0.9, 0.98), eps=1e-6)
    warm_up = max(steps // 20, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, 0.5 + 0.5 * math.cos(math.pi * step / steps))
    )
    generator = torch.Generator().manual_seed(seed)
    true = _true_sentences(choices, len(tokens))
    clip.train()
    progress = tqdm(
        _batches(len(images), steps, generator), total=steps, desc="small encoder", unit="step", disable=None
    )
    for chosen in progress:
        drawn = torch.tensor(
            [choices[i][int(torch.randint(len(choices[i]), (1,), generator=generator))] for i in chosen.tolist()]
        )
        batch = augment(images[chosen].float() / 255.0, generator).to(device)
        seen = model.encode_image(prepare(batch), normalize=True)
        said = model.encode_text(tokens[drawn].to(device), normalize=True)
        loss = contrastive_loss(model.logit_scale.exp() * seen @ said.T, true[chosen][:, drawn].to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(clip.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        if progress.n % 20 == 0:
            progress.set_postfix(loss=f"{loss.item():.3f}")
    clip.eval()


def contrastive_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Symmetric InfoNCE of images (rows) and sentences (columns), each with all that is true of it as positives.

    Args:
        logits: (B, B) scaled cosines.
        true: (B, B) bool, whether a sentence is known to be true of an image; its diagonal is.
    """
    wanted = true.to(logits.dtype)
    by_image = -(wanted * logits.log_softmax(1)).sum(1) / wanted.sum(1)
    by_text = -(wanted * logits.log_softmax(0)).sum(0) / wanted.sum(0)
    return 0.5 * (by_image.mean() + by_text.mean())


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, scale, brighten and roughen images so little that each sentence stays true; never mirror or turn."""
    count = len(images)

    def uniform(*shape: int) -> Tensor:
        return 2 * torch.rand(count, *shape, generator=generator) - 1

    affine = torch.zeros(count, 2, 3)
    affine[:, [0, 1], [0, 1]] = 1 + SCALE * uniform(1)
    affine[:, :, 2] = 2 * SHIFT * uniform(2)
    grid = nn.functional.affine_grid(affine, list(images.shape), align_corners=False)
    images = nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * (1 + CONTRAST * uniform(1, 1, 1)) + mean + BRIGHTNESS * uniform(1, 1, 1)
    return (images + NOISE * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def _groups(clip: nn.Module) -> list[dict[str, Any]]:
    """Matrices decay; tables, vectors and the temperature do not."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in clip.named_parameters():
        (free if parameter.ndim < 2 or "embedding" in name else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": free, "weight_decay": 0.0}]


def _true_sentences(choices: Sequence[Sequence[int]], sentences: int) -> Tensor:
    true = torch.zeros(len(choices), sentences, dtype=torch.bool)
    for index, rows in enumerate(choices):
        true[index, list(rows)] = True
    return true


def _batches(count: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """``steps`` batches of indices; every image once before any comes again."""
    queue = torch.empty(0, dtype=torch.long)
    size = min(BATCH, count)
    for _ in range(steps):
        if len(queue) < size:
            queue = torch.cat([queue, torch.randperm(count, generator=generator)])
        yield queue[:size]
        queue = queue[size:]


@contextmanager
def repeatable(device: torch.device, seed: int) -> Iterator[None]:
    """Equal seeds give equal weights inside: one thread, so that the number of cores plays no part, and own seeds."""
    threads, deterministic = torch.get_num_threads(), torch.backends.cudnn.deterministic
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.backends.cudnn.deterministic = True
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.backends.cudnn.deterministic = deterministic
