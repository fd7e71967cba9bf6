"""Alignment of images with sentences: InfoNCE, and prompts held to the text encoder's knowledge."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NEVER = -1e9  # score of a pair that is no negative: exp of it is 0, yet its gradient is finite


class InfoNCE(nn.Module):
    """Symmetric InfoNCE over a batch of image-sentence pairs (Radford et al., ICML 2021; TCL, CVPR 2023).

    With scores ``s_ij = scale cos(image_i, text_j)``, P(i) the pairs of i's group and N(i) all others,

    ``L = mean_i mean_{j in P(i)} -log(exp s_ij / (exp s_ij + sum_{n in N(i)} exp s_in))``

    averaged over both directions. Without groups this is the cross-entropy of CLIP. With groups it is SupInfoNCE
    (Barbano et al., ICLR 2023, with epsilon 0): equal sentences attract each other and never repel, so a batch with
    nothing to contrast - one pair, or one group - costs 0.

    No process group is needed. Within one, features are gathered from all processes, whose batches may differ in size,
    and every process returns the loss of the joined batch. Gradients flow to the process that a feature comes from;
    averaged over processes, as DistributedDataParallel does, they are those of the joined batch.
    """

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Tensor | float,
        groups: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss.

        Args:
            image_features: (B, D), of any length; computed in float32.
            text_features: (B, D), of any length.
            logit_scale: Factor of the cosines, the inverse of the temperature (not its logarithm). Bounding a learnt
                one, as TCL does at 100, is the caller's.
            groups: (B,) integers, equal where pairs are each other's positives, on all processes alike; None if no two
                pairs are.

        Returns:
            Scalar, float32.
        """
        if image_features.shape != text_features.shape:
            shapes = f"{tuple(image_features.shape)} and {tuple(text_features.shape)}"
            raise ValueError(f"image and text features must have the same shape, got {shapes}")
        with torch.autocast(image_features.device.type, enabled=False):
            images = _gathered(F.normalize(image_features.float(), dim=1))
            texts = _gathered(F.normalize(text_features.float(), dim=1))
            if groups is None:
                same = torch.eye(len(images), dtype=torch.bool, device=images.device)
            else:
                members = _gathered(groups[:, None])
                same = members == members.T
            scores = (images @ texts.T) * logit_scale
            return (_contrast(scores, same) + _contrast(scores.T, same)) / 2


def _contrast(scores: Tensor, same: Tensor) -> Tensor:
    """Each row's positives against its negatives: ``softplus(log sum exp of negatives - positive)``."""
    negatives = scores.masked_fill(same, NEVER).logsumexp(dim=1, keepdim=True)
    cost = torch.where(same, F.softplus(negatives - scores), torch.zeros_like(scores))
    return (cost.sum(dim=1) / same.sum(dim=1)).mean()


def _gathered(rows: Tensor) -> Tensor:
    """The rows (n, D) of all processes in the order of their ranks; without others, the rows.

    Gradients reach a process's own rows alone, times the number of processes: each computes the joined batch's loss, so
    averaged over processes they are that loss's, and going back needs no exchange.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return rows
    own, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    lengths = [int(n) for n in _all_gather(torch.tensor([len(rows)], device=rows.device))]
    parts = _all_gather(F.pad(rows.detach(), (0, 0, 0, max(lengths) - len(rows))))
    parts = [part[:n] for part, n in zip(parts, lengths, strict=True)]
    parts[own] = rows.detach() + world * (rows - rows.detach())
    return torch.cat(parts)


def _all_gather(x: Tensor) -> list[Tensor]:
    """The tensors of all processes, which have the same shape, in the order of their ranks."""
    parts = [torch.empty_like(x) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, x)
    return parts


def knowledge_loss(keyword: Tensor, template: Tensor) -> Tensor:
    """Mean ``1 - cos(keyword, template)``: a learnt prompt stays near what the text encoder knows (CoDe, CVPR 2024).

    Args:
        keyword: (B, D) embeddings of the keywords with the learnt prompt.
        template: (B, D) embeddings of the same keywords in a plain template.

    Returns:
        Scalar in [0, 2], float32.
    """
    return (1 - F.cosine_similarity(keyword.float(), template.float(), dim=1)).mean()
