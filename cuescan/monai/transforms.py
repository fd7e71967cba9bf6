"""Transforms of pictures with cues, beside MONAI's own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import ImageReader, MetaTensor
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import MetaKeys

from cuescan.cues.language import Turn
from cuescan.data.images import as_channels, read_picture
from cuescan.errors import UserError
from cuescan.training.augmentation import Augmentation

UNIT_SCHEMES, Z_SCORE = ("rgb_to_0_1", "rescale_to_0_1"), "zscore"


class PictureReader(ImageReader):
    """Reads photographs as cuescan prepares them: rows first, palettes as RGB, transparency over white, EXIF applied.

    Args:
        channels: that the network takes; a grey image is repeated where it is 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def verify_suffix(self, filename: Any) -> bool:
        """Whether this reader reads such files: all are left to it, and it refuses by name."""
        return True

    def read(self, data: Any, **options: Any) -> list[tuple[str, np.ndarray]]:
        """Read one file, or one per channel."""
        files = [data] if isinstance(data, (str, Path)) else list(data)
        return [(str(file), read_picture(Path(file)).pixels) for file in files]

    def get_data(self, img: Any) -> tuple[np.ndarray, dict]:
        """Pixels (H, W, C) and what MONAI keeps of where they lie.

        Raises:
            UserError: the image has other channels.
        """
        pictures = [as_channels(pixels, self.channels) if len(img) == 1 else pixels for _, pixels in img]
        pixels = np.concatenate([p if p.ndim == 3 else p[..., None] for p in pictures], axis=-1)
        name = img[0][0]
        if pixels.shape[-1] != self.channels:
            raise UserError(
                f"{name}: the image has {pixels.shape[-1]} channels but the network takes {self.channels}; convert it"
            )
        meta = {
            MetaKeys.ORIGINAL_CHANNEL_DIM: -1,
            MetaKeys.SPATIAL_SHAPE: np.array(pixels.shape[:2]),
            MetaKeys.AFFINE: np.eye(4),
            MetaKeys.ORIGINAL_AFFINE: np.eye(4),
            "filename_or_obj": name,
        }
        return pixels.astype(np.float32), meta


def is_content(image: torch.Tensor) -> torch.Tensor:
    """Pixels that are not 0, or all where all are: nnU-Net cuts off black surroundings, and so do bundles."""
    content = image != 0
    return content if content.any() else torch.ones_like(content)


class NormalizeChannelsd(MapTransform):
    """Normalise channels as nnU-Net does by their names: 8-bit values to [0, 1], or to mean 0 and deviation 1.

    Args:
        keys: of the images.
        channel_names: "rgb_to_0_1", "rescale_to_0_1" or "zscore", one per channel.
    """

    def __init__(self, keys: KeysCollection, channel_names: Sequence[str]) -> None:
        super().__init__(keys)
        for name in channel_names:
            if name.lower() not in (*UNIT_SCHEMES, Z_SCORE):
                raise UserError(f"channels called '{name}' are not normalised in bundles; train them with nnU-Net")
        self.channel_names = [name.lower() for name in channel_names]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalise."""
        found = dict(data)
        for key in self.key_iterator(found):
            image = found[key].clone()
            for number, name in enumerate(self.channel_names):
                channel = image[number]
                if name == "rgb_to_0_1":
                    image[number] = channel / 255
                elif name == "rescale_to_0_1":
                    low = channel.min()
                    image[number] = (channel - low) / (channel.max() - low).clamp_min(1e-8)
                else:
                    image[number] = (channel - channel.mean()) / channel.std(correction=0).clamp_min(1e-8)
            found[key] = image
        return found


class KeepGeometryd(MapTransform):
    """Note for the cue where the image lies: "shape" (2,), "crop" (4,), "turn" (3,) and "valid" (1, H, W).

    Follows ``CropForegroundd``. They are what :class:`cuescan.training.sentence_supervision.SentenceSupervision` asks
    for; "valid" is True everywhere until the image is padded.

    Args:
        keys: of the image.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the notes."""
        found = dict(data)
        for key in self.key_iterator(found):
            image = found[key]
            height, width = (int(side) for side in image.meta[MetaKeys.SPATIAL_SHAPE][:2])
            (top, left), (bottom, right) = (np.ravel(found[name])[:2] for name in ("crop_start", "crop_end"))
            found["shape"] = torch.tensor([height, width])
            found["crop"] = torch.tensor([left / width, top / height, right / width, bottom / height])
            found["turn"] = torch.zeros(3, dtype=torch.bool)
            found["valid"] = torch.ones(1, *image.shape[1:], dtype=torch.bool)
        return found


class RandCueAugmentd(RandomizableTransform, MapTransform):
    """Change images at random so that their cues stay true, or can follow (:mod:`cuescan.training.augmentation`).

    Random numbers come from the seed, the epoch and the case, so they depend neither on the number of processes nor on
    whether the training was resumed: MONAI seeds its own transforms once, when a data loader is made.

    Args:
        keys: of the image.
        patch_size: (height, width) that a turned image must fit in.
        rgb: the image has three channels in [0, 1].
        stain_jitter: largest relative change of each stain's density.
        seed: of the training.
    """

    def __init__(
        self, keys: KeysCollection, patch_size: Sequence[int], rgb: bool, stain_jitter: float, seed: int = 0
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self)
        height, width = patch_size
        self.augmentation = Augmentation((int(height), int(width)), rgb, stain_jitter)
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Draw the random numbers of this epoch from now on."""
        self.epoch = epoch

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Augment, and note the turn."""
        found = dict(data)
        generator = np.random.default_rng([self.seed, self.epoch, *str(found["case"]).encode()])
        for key in self.key_iterator(found):
            image = found[key]
            changed, turn = self.augmentation(
                image.numpy(), generator, bool(found["may_turn"]), bool(found["may_stain"])
            )
            found[key] = MetaTensor(torch.from_numpy(changed), meta=image.meta)
            found["valid"] = turned_tensor(found["valid"], turn)
            found["turn"] = torch.tensor([turn.transpose, turn.flip_rows, turn.flip_columns])
        return found


def turned_tensor(image: torch.Tensor, turn: Turn) -> torch.Tensor:
    """A tensor (C, H, W), transposed and then mirrored as ``turn`` says."""
    image = image.transpose(-2, -1) if turn.transpose else image
    return image.flip([axis for axis, flip in ((-2, turn.flip_rows), (-1, turn.flip_columns)) if flip])
