"""``cuescan pseudo-label``: a weak model's predictions -> a data set that any nnU-Net trainer learns from."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cuescan.commands.options import add_scales

HELP = "a weak model's predictions -> an nnU-Net data set of pseudo-labels for a second stage"

EXAMPLES = """
Each training image is segmented by the folds that did not train on it. Classes that its cue denies are removed; of
every predicted class the most confident share of pixels over the data set is labelled, the rest is "ignore". Masks in
labelsTr are never read. imagesTs and labelsTs are taken along, and cases that shared a fold still do.

examples:
  cuescan pseudo-label -d 501 -tr PathMambaTrainer -o 601
  cuescan pseudo-label -d 501 -tr PathMambaTrainer -o 602 -n GlaSWhole --images glas/images    (501 has crops of them)
  cuescan pseudo-label -d 501 -tr PathMambaTrainer -o 603 -f 0 --seen                (one fold labels all, also its own)

then:
  nnUNetv2_plan_and_preprocess -d 601 -c 2d
  nnUNetv2_train 601 2d 0
  CUESCAN_MINUTES=20 nnUNetv2_train 601 2d 0 -tr OEEMTrainer                   (distrusts labels that are hard to learn)
"""


def _fold(text: str) -> int | str:
    if text != "all" and not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is no fold; give numbers, or all")
    return text if text == "all" else int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; those of nnUNetv2_predict have its names."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "-d", dest="dataset", type=int, required=True, metavar="ID", help="data set that the weak model was trained on"
    )
    parser.add_argument("-tr", dest="trainer", default="PathMambaTrainer", help="weak trainer (default %(default)s)")
    parser.add_argument("-o", dest="output", type=int, required=True, metavar="ID", help="number of the new data set")
    parser.add_argument("-n", dest="name", metavar="NAME", help="its name (default: the other's name and Pseudo)")
    parser.add_argument("-p", dest="plans", default="nnUNetPlans", help="plans (default %(default)s)")
    parser.add_argument("-c", dest="configuration", default="2d", help="configuration (default %(default)s)")
    parser.add_argument(
        "-f", dest="folds", nargs="+", type=_fold, metavar="FOLD", help="folds to use (default: all that are trained)"
    )
    parser.add_argument(
        "-chk", dest="checkpoint", default="checkpoint_final.pth", metavar="FILE", help="default %(default)s"
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="label the whole images here, of which the training cases are crops"
    )
    parser.add_argument(
        "--keep", type=float, default=0.7, metavar="SHARE",
        help="share of the pixels of each predicted class to label, the most confident ones (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seen", action="store_true", help="let folds label what they trained on where no other can")
    parser.add_argument("--disable_tta", action="store_true", help="no mirrored views")
    add_scales(parser, "1 1.5 finds finer borders")
    parser.add_argument("--overwrite", action="store_true", help="replace a data set of that number and name")
    parser.add_argument("-device", choices=("cpu", "cuda", "mps"), default=None, help="default: cuda if there is one")


def run(arguments: argparse.Namespace) -> None:
    """Label, and say how much and what comes next."""
    from cuescan.pseudo.command import pseudo_label

    folder, record = pseudo_label(arguments)
    for name, shares in record.classes().items():
        told = f"{shares['predicted']:.1%} of the pixels predicted, {shares['labelled']:.1%} labelled"
        print(f"{name}: {told if shares['predicted'] else 'predicted nowhere, so the second stage cannot learn it'}")
    print(folder)
    preprocessed = os.environ.get("nnUNet_preprocessed")
    if preprocessed and (Path(preprocessed) / folder.name).exists():
        print(f"{Path(preprocessed) / folder.name} is from an earlier version: plan again with --clean")
    print(f"next: nnUNetv2_plan_and_preprocess -d {arguments.output} -c 2d")
