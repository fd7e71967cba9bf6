"""The floor to beat: heads on frozen ImageNet features, trained from the image-level labels of a cuescan data set.

    python benchmarks/frozen_features.py $nnUNet_raw/Dataset111_GlaS --weights resnet50.safetensors

Features are those of ResNet-50's conv4_x on images at twice their size. Three heads are trained on imagesTr by the
cues (a linear layer with mean pooling, with the generalised mean r = 4, and one hidden layer with the generalised
mean) and scored on the whole images of imagesTs after every epoch, each class by its own sigmoid, the larger winning.
For data sets without background.
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
from cuescan.losses import log_generalised_mean
from cuescan.losses.deep_contrast import image_level_cross_entropy
from cuescan.networks.trunk import ResNetTrunk, load_trunk_weights, trunk_arguments

SUFFIX = "_0000.png"
HEADS = (("linear", 1.0), ("linear", 4.0), ("hidden", 4.0))


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
    """A linear layer, or one with 256 hidden units, applied to each pixel."""
    if kind == "linear":
        return nn.Conv2d(1024, classes, 1)
    return nn.Sequential(nn.Conv2d(1024, 256, 1), nn.ReLU(), nn.Conv2d(256, classes, 1))


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
    for kind, r in HEADS:
        torch.manual_seed(arguments.seed)
        net = head(kind, len(cues.classes))
        optimiser = torch.optim.Adam(net.parameters(), arguments.lr, weight_decay=5e-4)
        by_epoch = []
        for epoch in range(arguments.epochs):
            order = torch.randperm(len(cases)).split(64)
            for index in tqdm(order, f"{kind}, r = {r:g}, epoch {epoch + 1}", leave=False):
                pooled = log_generalised_mean(F.logsigmoid(net(features[index].float())), r)
                loss = image_level_cross_entropy(pooled, labels[index])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            by_epoch.append(round(mean_iou(net, tests, cues.classes), 4))
        rows.append({"head": kind, "r": r, "miou_by_epoch": by_epoch})
        print(f"{kind:8} r = {r:g}: mIoU by epoch {by_epoch}", flush=True)
    print(json.dumps({"dataset": arguments.dataset.name, "tests": len(tests), "rows": rows}))


if __name__ == "__main__":
    main()
