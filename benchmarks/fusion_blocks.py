"""The fusion blocks that benchmarks/fusion.py compares, of the width of TIFCMamba-T, as contestants."""

from __future__ import annotations

import torch
from measuring.contest import Contestant
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.networks.fusion import PLACE_FEATURES, BiDF
from cuescan.networks.tifc_mamba import SIZES

BIDF, EFFICIENT, PLAIN = "BiDF", "attention, efficient", "attention, plain"
WIDTH, STATE = SIZES["T"]["width"], SIZES["T"]["state"]
TEXT_DIM, WORDS = 512, 16  # of a text encoder of CLIP's usual size, and tokens of a short sentence
HEADS = 3  # of WIDTH channels each
STRIDE = 4  # of the finest map that BiDF sees


class Attention(nn.Module):
    """Multi-head attention of tokens to a context.

    Source: Vaswani et al., *Attention is all you need* (NeurIPS 2017), section 3.2.

    Args:
        dim: Channels of a token.
        context_dim: Channels of a token of the context.
        heads: Number of heads.
        plain: Keep all weights of attention in memory, in place of torch's fused kernel.

    Shapes:
        tokens (B, L, dim), context (B, M, context_dim) -> (B, L, dim).
    """

    def __init__(self, dim: int, context_dim: int, heads: int, plain: bool) -> None:
        super().__init__()
        self.heads, self.plain = heads, plain
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(context_dim, 2 * dim)
        self.out_projection = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Attend (see the class for shapes)."""
        projected = (self.query(tokens), *self.key_value(context).chunk(2, dim=2))
        query, key, value = (each.unflatten(2, (self.heads, -1)).transpose(1, 2) for each in projected)
        if self.plain:
            attended = torch.softmax(query @ key.mT * query.shape[3] ** -0.5, dim=3) @ value
        else:
            attended = F.scaled_dot_product_attention(query, key, value)
        return self.out_projection(attended.transpose(1, 2).flatten(2))


class AttentionFusion(BiDF):
    """BiDF's projections around attention in place of the scans.

    The normalised concatenation of image, image-text and text features attends to itself, and then, normalised again,
    to the words. There is no MLP, as BiDF has none.

    Args:
        plain: As for :class:`Attention`.

    Shapes:
        image (B, D, H, W), text (B, text_dim), place (B, 6, H, W), words (B, T, text_dim) -> (B, D, H, W).
    """

    def __init__(self, dim: int, text_dim: int, heads: int, plain: bool) -> None:
        super().__init__(dim, text_dim, state=1, space=False, channel=False)
        self.among_pixels = Attention(3 * dim, 3 * dim, heads, plain)
        self.token_norm = nn.LayerNorm(3 * dim)
        self.to_words = Attention(3 * dim, text_dim, heads, plain)

    def forward(self, image: Tensor, text: Tensor, place: Tensor, words: Tensor) -> Tensor:  # type: ignore[override]
        """Fuse (see the class for shapes)."""
        expanded = self.text_projection(text)[:, :, None, None] + self.place_projection(place)
        both = self.mix(torch.cat([image, expanded], dim=1))
        joined = self.norm(torch.cat([image, both, expanded], dim=1))
        tokens = joined.flatten(2).transpose(1, 2)
        tokens = tokens + self.among_pixels(tokens, tokens)
        tokens = tokens + self.to_words(self.token_norm(tokens), words)
        return image + self.out_projection(tokens.transpose(1, 2).view_as(joined))


def block(name: str) -> nn.Module:
    """A block with random weights; the two attention blocks have the same."""
    torch.manual_seed(0)
    if name == BIDF:
        return BiDF(WIDTH, TEXT_DIM, STATE)
    return AttentionFusion(WIDTH, TEXT_DIM, HEADS, plain=name == PLAIN)


def contestant(name: str, side: int, device: str) -> Contestant:
    """A block on random features of one image of ``side`` pixels; its leaves are the features and the weights."""
    made = block(name).to(device)
    generator, grid = torch.Generator().manual_seed(side), side // STRIDE
    shapes = {
        "image": (1, WIDTH, grid, grid),
        "text": (1, TEXT_DIM),
        "place": (1, PLACE_FEATURES, grid, grid),
        "words": (1, WORDS, TEXT_DIM),
    }
    inputs = {what: torch.randn(shape, generator=generator).to(device) for what, shape in shapes.items()}
    if name == BIDF:
        del inputs["words"]
    inputs = {what: each.requires_grad_() for what, each in inputs.items()}

    def run(**leaves: Tensor) -> Tensor:
        return made(**{what: leaves[what] for what in inputs})  # the other leaves are its own weights

    return Contestant(name, inputs | dict(made.named_parameters()), run)


def parameters(name: str) -> int:
    """How many numbers a block learns."""
    return sum(each.numel() for each in block(name).parameters())


def attention_bytes(name: str, side: int, copies: int) -> int:
    """Bytes of so many copies of all weights of plain attention; 0 for the other blocks."""
    return copies * HEADS * (side // STRIDE) ** 4 * 4 if name == PLAIN else 0
