"""The text segmenter of TIFCMamba: which words of a sentence carry its keyword."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cuescan.networks.vss import BidirectionalScan


class TextSegmenter(nn.Module):
    """Score the words of a sentence by how much they belong to a keyword.

    Source: TIFCMamba (MICCAI 2025), text segmenter; the paper gives no layers. We follow CoDe's scheme (CVPR 2024: two
    layers over the text encoder's states, supervised by the keyword's words) with selective scans in place of
    attention: ``h = h + S6(LN(h))`` over states and keyword, in both directions.

    Args:
        token_dim: Width of the text encoder's states.
        text_dim: Length of a keyword's embedding.
        width: Channels of the layers.
        layers: Number of layers.
        state: State size N of the scans.

    Shapes:
        states (B, T, token_dim), keyword (B, text_dim) -> logits (B, T).
    """

    def __init__(self, token_dim: int, text_dim: int, width: int = 64, layers: int = 2, state: int = 8) -> None:
        super().__init__()
        self.states = nn.Linear(token_dim, width)
        self.keyword = nn.Linear(text_dim, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.scans = nn.ModuleList(BidirectionalScan(width, state) for _ in range(layers))
        self.score = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        self.masked_word = nn.Parameter(torch.zeros(token_dim))
        """What stands in for a word that is masked out: CoDe's, zero at first."""

    def forward(self, states: Tensor, keyword: Tensor) -> Tensor:
        """Score words (see the class for shapes)."""
        hidden = self.states(states) + self.keyword(keyword)[:, None]
        for norm, scan in zip(self.norms, self.scans):  # noqa: B905, TorchScript's zip is never strict
            hidden = hidden + scan(norm(hidden))
        return self.score(hidden).squeeze(2)
