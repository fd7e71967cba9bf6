"""The floor to beat: heads on frozen ImageNet features, trained from the image-level labels of a cuescan data set.

    python benchmarks/frozen_features.py $nnUNet_raw/Dataset111_GlaS --weights resnet50.safetensors

Features are those of ResNet-50's conv4_x on images at twice their size. Heads are trained on imagesTr by the cues and
scored on the whole images of imagesTs after every epoch, the likelier class winning: a linear layer, one with a hidden
layer, and one whose hidden layer sees the neighbours; pooled by the generalised mean of exponent r; classes independent
(sigmoid) or competing (softmax); absent classes charged for their pooled value or at each pixel
(:class:`cuescan.losses.DeepContrastLoss`). For data sets without background.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from cuescan.cues import read_cues
from cuescan.evaluation.confusion import ConfusionMatrix
from cuescan.evaluation.labels import Labels
from cuescan.evaluation.scores import scores
from cuescan.losses import DeepContrastLoss
from cuescan.networks import PathMambaMaps
from cuescan.networks.trunk import ResNetTrunk, load_trunk_weights, trunk_arguments

SUFFIX = "_0000.png"
HEADS = (
    ("linear", {"r": 1.0}),
    ("linear", {"r": 4.0}),
    ("hidden", {"r": 4.0}),
    ("hidden", {"r": 4.0, "exclusive": True}),
    ("hidden", {"r": 4.0, "exclusive": True, "absent": "pixels"}),
    ("neighbours", {"r": 4.0, "exclusive": True, "absent": "pixels"}),
)


@torch.inference_mode()
def extract(trunk: ResNetTrunk, images: list[np.ndarray]) -> Tensor:
    """Features (B, 1024, H / 8, W / 8) in half precision of RGB images (H, W, 3), enlarged twice."""
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    batch = F.interpolate(batch, scale_factor=2, mode="bilinear")
    with torch.autocast("cpu", torch.bfloat16):
        deep = trunk.stages(batch)[1]
    assert deep is not None
    return deep.half()


def head(kind: str, classes: int) -> nn.Module:
    """A linear layer, one with 256 hidden units, or one whose hidden units are joined with those around."""
    if kind == "linear":
        return nn.Conv2d(1024, classes, 1)
    around = [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()] if kind == "neighbours" else []
    return nn.Sequential(nn.Conv2d(1024, 256, 1), nn.ReLU(), *around, nn.Conv2d(256, classes, 1))


def mean_iou(net: nn.Module, tests: list[tuple[Tensor, np.ndarray]], classes: tuple[str, ...]) -> float:
    """Mean IoU over the classes from one confusion matrix over the test images."""
    matrix = ConfusionMatrix(Labels(classes, background=False))
    for features, mask in tests:
        with torch.inference_mode():
            logits = F.interpolate(net(features.float()), size=mask.shape, mode="bilinear")
        matrix.update(mask, logits[0].argmax(0).numpy() + 1)
    return scores(matrix).mean("iou") or 0.0


def main() -> None:
    """Extract, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="nnU-Net raw data set with cues.json, imagesTs and labelsTs")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file with ResNet-50's stages")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    cues = read_cues(arguments.dataset / "cues.json")
    trunk = ResNetTrunk(3, 4, **trunk_arguments(arguments.weights, 3)).eval()
    load_trunk_weights(trunk, arguments.weights)
    cases = sorted(cues.cues)
    labels = torch.from_numpy(np.stack([cues.label_vector(case) for case in cases]))

    def read(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path))

    chunks = [cases[i : i + 32] for i in range(0, len(cases), 32)]
    folder = arguments.dataset / "imagesTr"
    features = torch.cat(
        [extract(trunk, [read(folder / f"{case}{SUFFIX}") for case in chunk]) for chunk in tqdm(chunks, "features")]
    )
    tests = [
        (extract(trunk, [read(path)]), read(arguments.dataset / "labelsTs" / path.name.replace(SUFFIX, ".png")))
        for path in tqdm(sorted((arguments.dataset / "imagesTs").glob(f"*{SUFFIX}")), "test images")
    ]
    rows = []
    for kind, terms in HEADS:
        told = ", ".join(f"{name} {value}" for name, value in terms.items())
        criterion = DeepContrastLoss(deep=False, background=False, **terms)
        torch.manual_seed(arguments.seed)
        net = head(kind, len(cues.classes))
        optimiser = torch.optim.Adam(net.parameters(), arguments.lr, weight_decay=5e-4)
        by_epoch = []
        for epoch in range(arguments.epochs):
            order = torch.randperm(len(cases)).split(64)
            for index in tqdm(order, f"{kind}, {told}, epoch {epoch + 1}", leave=False):
                loss = criterion(PathMambaMaps(None, net(features[index].float()), []), labels[index])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            by_epoch.append(round(mean_iou(net, tests, cues.classes), 4))
        rows.append({"head": kind, **terms, "miou_by_epoch": by_epoch})
        print(f"{kind:10} {told}: mIoU by epoch {by_epoch}", flush=True)
    print(json.dumps({"dataset": arguments.dataset.name, "tests": len(tests), "rows": rows}))


if __name__ == "__main__":
    main()
