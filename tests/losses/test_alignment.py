from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from torch.nn import functional as F

from cuescan.losses import InfoNCE, knowledge_loss

SCALE = 7.0


def pairs(n: int = 5, dim: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, dim, generator=generator) for _ in range(2))


def plain(images: Tensor, texts: Tensor, groups: list[int]) -> float:
    """The definition, pair by pair, in Python's floats."""
    images, texts = (F.normalize(x.double(), dim=1) for x in (images, texts))
    scores = (SCALE * images @ texts.T).tolist()
    total, n = 0.0, len(groups)
    for direction in (scores, [list(column) for column in zip(*scores, strict=True)]):
        for i, row in enumerate(direction):
            negatives = sum(math.exp(row[j]) for j in range(n) if groups[j] != groups[i])
            costs = [
                -math.log(math.exp(row[j]) / (math.exp(row[j]) + negatives)) for j in range(n) if groups[j] == groups[i]
            ]
            total += sum(costs) / len(costs) / (2 * n)
    return total


def test_without_groups_it_is_the_cross_entropy_of_clip() -> None:
    images, texts = pairs()
    scores = SCALE * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    target = torch.arange(5)
    expected = (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2
    torch.testing.assert_close(InfoNCE()(images, texts, SCALE), expected)
    torch.testing.assert_close(InfoNCE()(images, texts, SCALE, torch.tensor([4, 9, 1, 0, 2])), expected)


def test_hand_computed_value() -> None:
    loss = InfoNCE()(torch.eye(2), torch.eye(2), 1.0)  # each row: 1 against 0
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))


@pytest.mark.parametrize("groups", [[0, 1, 0, 2, 1], [0, 0, 0, 0, 1], [3, 3, 3, 3, 3]])
def test_pairs_of_a_group_are_each_others_positives(groups: list[int]) -> None:
    images, texts = pairs()
    loss = InfoNCE()(images, texts, SCALE, torch.tensor(groups))
    assert loss.item() == pytest.approx(plain(images, texts, groups), rel=1e-5, abs=1e-7)


def test_gradients_attract_positives_and_repel_others() -> None:
    images, texts = (x.requires_grad_() for x in pairs(3))
    InfoNCE()(images, texts, SCALE, torch.tensor([0, 0, 1])).backward()
    closer = F.cosine_similarity((images - 0.01 * images.grad)[:, None], texts[None], dim=2)
    moved = (closer - F.cosine_similarity(images[:, None], texts[None], dim=2))[2]
    assert moved[2] > 0 and moved[:2].sum() < 0


def test_nothing_to_contrast_costs_nothing() -> None:
    for n, groups in ((1, None), (1, torch.tensor([7])), (4, torch.zeros(4, dtype=torch.long))):
        images, texts = (x.requires_grad_() for x in pairs(n))
        scale = torch.tensor(100.0, requires_grad=True)
        loss = InfoNCE()(images, texts, scale, groups)
        loss.backward()
        assert loss.item() == 0 and scale.grad == 0
        assert (images.grad == 0).all() and (texts.grad == 0).all()


def test_the_temperature_learns() -> None:
    for images, texts, sign in ((torch.eye(3), torch.eye(3), -1), (torch.eye(3), torch.eye(3).roll(1, 0), 1)):
        scale = torch.tensor(5.0, requires_grad=True)
        InfoNCE()(images, texts, scale).backward()
        assert scale.grad.sign() == sign  # sharper where pairs agree, softer where they do not


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite_and_computed_in_single(dtype: torch.dtype) -> None:
    images, texts = (x.to(dtype).requires_grad_() for x in pairs())
    with torch.autocast("cpu", torch.bfloat16):
        loss = InfoNCE()(images, texts, torch.tensor(100.0, dtype=dtype))
    loss.backward()
    expected = InfoNCE()(images.float(), texts.float(), 100.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected)
    assert images.grad.isfinite().all() and images.grad.abs().sum() > 0


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"must have the same shape, got \(2, 3\) and \(2, 4\)"):
        InfoNCE()(torch.ones(2, 3), torch.ones(2, 4), 1.0)


def heads() -> tuple[Tensor, Tensor, Tensor]:
    """What every process trains: two maps to a common space, and the scale."""
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(6, 4, generator=generator).requires_grad_() for _ in range(2)]
    return weights[0], weights[1], torch.tensor(SCALE, requires_grad=True)


def gradients(rows: slice, groups: Tensor | None) -> list[Tensor]:
    """Loss of these pairs, or of those of all processes, and its gradients by the parameters."""
    images, texts = pairs(8)
    parameters = heads()
    groups = None if groups is None else groups[rows]
    loss = InfoNCE()(images[rows] @ parameters[0], texts[rows] @ parameters[1], parameters[2], groups)
    loss.backward()
    return [loss.detach(), *(parameter.grad for parameter in parameters)]


def one_of_two(rank: int, folder: str, cases: list[tuple[int, Tensor | None]]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=(Path(folder) / "meet").as_uri(), rank=rank, world_size=2)
    results = []
    for cut, groups in cases:
        loss, *grads = gradients(slice(0, cut) if rank == 0 else slice(cut, 8), groups)
        for grad in grads:  # as DistributedDataParallel does
            dist.all_reduce(grad)
            grad /= 2
        results.append([loss, *grads])
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_loss_and_the_gradients_of_the_joined_batch(tmp_path: Path) -> None:
    groups = torch.tensor([0, 1, 2, 0, 2, 3, 4, 0])
    cases = [(4, None), (4, groups), (3, groups), (7, None)]  # the last two: batches of different sizes
    mp.spawn(one_of_two, (str(tmp_path), cases), nprocs=2)
    for rank in range(2):
        for (_, members), found in zip(cases, torch.load(tmp_path / f"{rank}.pt"), strict=True):
            torch.testing.assert_close(found, gradients(slice(None), members), rtol=1e-5, atol=1e-6)


def test_knowledge_loss() -> None:
    keyword = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, -3.0]], requires_grad=True)
    template = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    loss = knowledge_loss(keyword, template)
    assert loss.item() == pytest.approx((0 + 1 - math.sqrt(0.5) + 2) / 3)
    loss.backward()
    assert knowledge_loss(keyword - keyword.grad, template) < loss
    assert knowledge_loss(keyword.half(), template.half()).dtype == torch.float32
