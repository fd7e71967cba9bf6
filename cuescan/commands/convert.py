"""``cuescan convert``: a trained model of nnU-Net -> a MONAI bundle, and the other way round."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "a trained model of nnU-Net -> a MONAI bundle, and the other way round"

EXAMPLES = """
INPUT decides the direction:
  a model of nnU-Net (nnUNet_results/DatasetXXX_Name/TRAINER__nnUNetPlans__2d)   -> OUTPUT is a bundle
  a bundle (with models/model.json and models/model.pt)                          -> OUTPUT is a model of nnU-Net

Both predict the same masks. nnUNetv2_predict_from_modelfolder and cuescan predict -m take any OUTPUT; for
nnUNetv2_predict -d XXX call it $nnUNet_results/DatasetXXX_Name/TRAINER__nnUNetPlans__2d with PathMambaTrainer or
TIFCMambaTrainer as TRAINER.

The text encoder of TIFCMamba is looked for where cuescan predict looks for it, and kept beside the model.

examples:
  cuescan convert $nnUNet_results/Dataset101_Biopsies/PathMambaTrainer__nnUNetPlans__2d bundle -f 0
  python -m monai.bundle run --config_file bundle/configs/inference.json --dataset_dir images --output_dir masks

  cuescan convert bundle $nnUNet_results/Dataset102_Polyps/TIFCMambaTrainer__nnUNetPlans__2d
  cuescan predict -i images -o masks -d 102 --prompts prompts.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "input", type=Path, metavar="INPUT", help="folder of a trained model of nnU-Net, or of a bundle"
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="folder to write")
    parser.add_argument(
        "-f", dest="fold", metavar="FOLD",
        help="fold to take (default: the only one), or fold that a bundle is to be (default 0)",
    )  # fmt: skip
    parser.add_argument(
        "-chk", dest="checkpoint", metavar="NAME",
        help="file of weights in the fold (default checkpoint_final.pth) or in models (default model.pt)",
    )  # fmt: skip
    parser.add_argument(
        "--encoder",
        type=Path,
        metavar="DIR",
        help="folder of the text encoder, if it is not where the model was trained",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it is a model or a bundle")


def run(arguments: argparse.Namespace) -> None:
    """Convert, and say what to do with the result."""
    from cuescan.monai.convert import BUNDLE, convert

    output: Path = arguments.output
    written, complete = convert(
        arguments.input, output, arguments.fold, arguments.checkpoint, arguments.encoder, arguments.overwrite
    )
    print(output)
    if not complete:
        print("the text encoder was not found, so prompts will need it with --encoder")
    if written == BUNDLE:
        config = output / "configs" / "inference.json"
        print(f"next: python -m monai.bundle run --config_file {config} --dataset_dir IMAGES --output_dir MASKS")
    else:
        print(f"next: nnUNetv2_predict_from_modelfolder -i IMAGES -o MASKS -m {output} -f {arguments.fold or 0}")
