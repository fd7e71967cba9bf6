"""What a bundle's weights need beside them: ``models/model.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from cuescan.cues.reading import load_json
from cuescan.cues.writing import write_json
from cuescan.errors import UserError
from cuescan.monai.datalist import Datalist
from cuescan.monai.transforms import UNIT_SCHEMES
from cuescan.networks import PathMamba, TIFCMamba
from cuescan.training import provenance
from cuescan.training.network_arguments import path_mamba_arguments, tifc_mamba_arguments
from cuescan.training.network_building import build_network

FILE = "model.json"
NETWORKS = {"PathMamba": PathMamba, "TIFCMamba": TIFCMamba}


@dataclass(frozen=True)
class ModelCard:
    """A model without its weights; the same facts as nnU-Net's plans keep of one under "cuescan".

    Attributes:
        network: "PathMamba" or "TIFCMamba".
        classes: names of the K classes; class i is label i + 1.
        background: False where every pixel belongs to a class.
        channel_names: nnU-Net's name for each input channel, which decides how it is normalised.
        patch_size: (height, width) that smaller images are padded to.
        network_arguments: of the network's class, beside channels and classes.
        options: how it was trained; of paths only the last part.
        encoder_sha256: of the text encoder; None for PathMamba.
        versions: of the software that trained it.
        commit: of cuescan, where it was a checkout.
    """

    network: str
    classes: Sequence[str]
    background: bool
    channel_names: Sequence[str]
    patch_size: Sequence[int]
    network_arguments: Mapping[str, Any]
    options: Mapping[str, Any]
    encoder_sha256: str | None = None
    versions: Mapping[str, str] | None = None
    commit: str | None = None

    def plan(self) -> dict[str, Any]:
        """What nnU-Net's plans keep of the network under "cuescan"."""
        kept = ("network", "classes", "background", "network_arguments", "options", "versions", "commit")
        plan = {name: getattr(self, name) for name in kept}
        return plan | ({"encoder_sha256": self.encoder_sha256} if self.encoder_sha256 else {})

    def build(self, seed: int = 0) -> torch.nn.Module:
        """The network, with random weights drawn from a seed.

        Raises:
            UserError: it cannot be built.
        """
        torch.manual_seed(seed)
        return build_network(NETWORKS[self.network], self.plan(), len(self.channel_names), 1 + len(self.classes))

    @property
    def unit_range(self) -> bool:
        """Whether normalisation leaves all channels in [0, 1]."""
        return all(name.lower() in UNIT_SCHEMES for name in self.channel_names)

    def write(self, path: Path | str) -> None:
        """Write the card, atomically."""
        write_json(asdict(self), path)


def new_card(
    network: str,
    datalist: Datalist,
    size: str = "T",
    trunk: str | None = None,
    encoder: str = "small",
    image_scale: float = 1.0,
    network_arguments: Mapping[str, Any] | None = None,
    **options: Any,
) -> ModelCard:
    """Describe a network that is to be trained.

    Args:
        network: "PathMamba" or "TIFCMamba".
        datalist: what it is trained on.
        size: T, S or B.
        trunk: a .safetensors file, "timm", or None for random weights.
        encoder: of TIFCMamba's text, as :func:`cuescan.encoders.load_encoder` takes it, or "small".
        image_scale: factor by which PathMamba's pixel branch sees the images enlarged.
        network_arguments: further ones, which override what follows from the data.
        options: further facts of the training to keep, such as the seed.
    """
    channels, given = len(datalist.channel_names), network_arguments or {}
    unit = all(name.lower() in UNIT_SCHEMES for name in datalist.channel_names)
    kept: dict[str, Any] = {"size": size, "trunk": None if trunk is None else Path(trunk).name, **options}
    if network == "PathMamba":
        arguments = path_mamba_arguments(channels, unit, datalist.background, size, trunk, image_scale, given)
    else:
        arguments = tifc_mamba_arguments(channels, unit, size, trunk, encoder, given)
        kept["encoder"] = encoder if not Path(encoder).exists() else Path(encoder).name
    return ModelCard(
        network, list(datalist.classes), datalist.background, list(datalist.channel_names), list(datalist.patch_size),
        arguments, kept, None, provenance.versions(), provenance.commit(),
    )  # fmt: skip


def read_card(path: Path | str) -> ModelCard:
    """Read the card of a trained model.

    Raises:
        UserError: there is none, or it is not one.
    """
    if not Path(path).is_file():
        raise UserError(
            f"{path}: there is no trained model; run the bundle's train.json first, or `cuescan convert` a model"
        )
    content = load_json(path)
    try:
        card = ModelCard(**content)
        if card.network not in NETWORKS:
            raise TypeError(f"network is {card.network!r}")
        return card
    except TypeError as error:
        raise UserError(f"{path}: not the card of a model ({error}); use the one that was written with it") from None
