from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuescan.cues.language import Turn
from cuescan.nnunet.images import EndlessTraining, EndlessValidation, WholeImages
from cuescan.training.augmentation import Augmentation
from cuescan.training.padding import centred_slices


class OneImage:
    """Stands for nnU-Net's data set: the same image and mask for every case."""

    def __init__(self, image, mask=None):
        self.image, self.mask = image, mask

    def load_case(self, case):
        height, width = self.image.shape[1:]
        cropped = {"shape_before_cropping": (1, height, width)}
        return (
            self.image[:, None],
            self.mask,
            None,
            cropped | {"bbox_used_for_cropping": [[0, 1], [0, height], [0, width]]},
        )


def test_an_image_is_padded_in_the_middle_as_nnunet_does():
    from acvl_utils.cropping_and_padding.padding import pad_nd_image

    image = np.random.default_rng(0).random((3, 33, 40), dtype=np.float32)
    item = WholeImages(OneImage(image), ["a"], (48, 41))[0, 0, 0]
    padded, where = pad_nd_image(image, (48, 41), "constant", {"constant_values": 0}, True)
    assert np.array_equal(item["data"].numpy(), padded)
    assert np.array_equal(np.argwhere(item["valid"][0].numpy()).min(0), [where[1].start, where[2].start])
    assert item["valid"].sum() == 33 * 40


def test_a_mask_is_padded_with_minus_one_and_black_surroundings_are_background():
    mask = np.array([[[[2, -1], [0, 1]]]])
    item = WholeImages(OneImage(np.zeros((1, 2, 2), np.float32), mask), ["a"], (2, 4), masks=True)[0, 0, 0]
    assert item["target"].tolist() == [[[-1, 2, 0, -1], [-1, 0, 1, -1]]]


def test_where_no_nucleus_can_lie_is_turned_and_cut_as_the_image_is():
    image = np.full((3, 40, 48), 0.9, np.float32)
    image[:, 5:15, 8:20] = np.array([0.3, 0.2, 0.6], np.float32)[:, None, None]
    augmentation = Augmentation((64, 64), True, 0)
    for position in range(8):
        items = WholeImages(OneImage(image), ["a"], (64, 64), 0, augmentation, [True], [True], nuclei=True, window=44)
        item = items[0, position, 0]
        dark = item["data"].mean(0).numpy() < 0.6
        open_to_nuclei = ~item["empty"][0].numpy()
        inside = item["valid"][0].numpy()
        assert not open_to_nuclei[~inside].any()
        assert (dark & inside == open_to_nuclei)[inside].mean() > 0.97


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 3), st.integers(0, 5))
def test_every_case_is_seen_in_every_epoch_and_every_batch_is_full(number, batch, world, epoch):
    iterations = -(-number // (batch * world))
    parts = [
        EndlessTraining(number, batch * world, iterations, 3, epoch, slice(rank * batch, (rank + 1) * batch))
        for rank in range(world)
    ]
    shares = [list(itertools.islice(part, 2 * iterations)) for part in parts]
    assert all(len(share) == batch for share in itertools.chain(*shares))
    for passed in range(2):
        seen = [
            a
            for share in shares
            for addresses in share[passed * iterations : (passed + 1) * iterations]
            for a in addresses
        ]
        assert {address[0] for address in seen} == {epoch + passed}
        assert sorted(address[1] for address in seen) == list(range(iterations * batch * world))
        assert {address[2] for address in seen} == set(range(number))


def test_the_order_changes_with_epoch_and_seed_and_not_with_the_first_epoch():
    def order(seed, first, skip=0):
        batches = itertools.islice(EndlessTraining(30, 10, 3, seed, first, slice(0, 10)), skip, skip + 3)
        return [address for batch in batches for address in batch]

    assert order(0, 0, skip=3) == order(0, 1)
    assert [a[2] for a in order(0, 0)] != [a[2] for a in order(0, 1)] != [a[2] for a in order(1, 1)]


def test_validation_passes_over_the_same_cases_again_and_again():
    batches = iter(EndlessValidation([1, 3, 5], 2))
    once = [[(0, 1, 1), (0, 3, 3)], [(0, 5, 5)]]
    assert [next(batches) for _ in range(4)] == once + once


@pytest.mark.parametrize("rgb", [True, False])
def test_augmentation_keeps_all_content_in_the_image(rgb):
    image = np.full((3, 40, 30), 0.4, np.float32)
    image[:, 3:8, 4:12] = 0.9
    augment = Augmentation((48, 48), rgb, 0.05)
    shapes = set()
    for seed in range(60):
        changed, _ = augment(image, np.random.default_rng(seed), True, True)
        shapes.add(changed.shape)
        bright = (changed.mean(0) > changed.mean() + 0.25).sum()
        assert 0.8 * 40 <= bright <= 1.2 * 40
        assert changed.dtype == np.float32 and np.isfinite(changed).all()
        assert not rgb or (changed.min() >= 0 and changed.max() <= 1)
    assert shapes == {(3, 40, 30), (3, 30, 40)}


def test_an_image_is_not_turned_out_of_the_patch_nor_against_its_cue():
    image = np.zeros((1, 40, 30), np.float32)
    image[:, :10] = 1
    for seed in range(40):
        generator = np.random.default_rng(seed)
        assert Augmentation((40, 32), False, 0)(image, generator, True, True)[0].shape == (1, 40, 30)
        kept, turn = Augmentation((48, 48), False, 0)(image, generator, False, True)
        assert turn == Turn() and kept.shape == (1, 40, 30) and kept[:, :8].mean() > kept[:, 12:].mean() + 0.5


def test_intensities_change_alike_in_all_channels():
    image = np.repeat(np.random.default_rng(0).random((1, 32, 32), dtype=np.float32), 3, axis=0)
    augment = Augmentation((32, 32), False, 0)
    for seed in range(30):
        changed, _ = augment(image, np.random.default_rng(seed), False, True)
        assert abs(changed[0] - changed[2]).max() < 1  # noise alone differs between channels
        assert np.corrcoef(changed[0].ravel(), changed[2].ravel())[0, 1] > 0.95


def test_stain_changes_are_small_and_leave_white_white():
    augment = Augmentation((32, 32), True, 0.05)
    image = np.random.default_rng(0).uniform(0.1, 1, (3, 32, 32)).astype(np.float32)
    changed = augment._restained(image, np.random.default_rng(1))
    assert 0 < abs(changed - image).max() < 0.2
    assert np.allclose(augment._restained(np.ones((3, 4, 4), np.float32), np.random.default_rng(1)), 1, atol=1e-5)


@given(st.integers(1, 50), st.integers(0, 50))
def test_centred_slices_have_the_images_size(size, more):
    rows, columns = centred_slices((size, size), (size + more, size))
    assert rows.stop - rows.start == size and rows.stop <= size + more and columns == slice(0, size)
