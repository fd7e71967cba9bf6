"""``cuescan predict``: images -> masks, by a sentence for each or by views of several sizes."""

from __future__ import annotations

import argparse
from pathlib import Path

from cuescan.commands.options import add_scales

HELP = "segment images: by a prompt for each, or at several sizes"

EXAMPLES = """
prompts are for models of TIFCMambaTrainer: a JSON object {"case": "sentence", ...} or a table (CSV) with columns
"image" and "text". A case without a prompt is segmented by the model's default prompts, as nnUNetv2_predict does.

--scales is for models of image-level labels, which nnUNetv2_predict shows each image at its usual size only.

examples:
  cuescan predict -i images -o masks -d 7 --prompts prompts.json
  cuescan predict -i images -o masks -d 7 --prompts findings.csv -f 0 1 2 3 4 -device cuda
  cuescan predict -i images -o masks -m MODEL_FOLDER --prompts prompts.json --encoder ENCODER_FOLDER
  cuescan predict -i images -o masks -d 501 -tr PathMambaTrainer --scales 1 1.5
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; those of nnUNetv2_predict have its names."""
    parser.epilog = EXAMPLES
    parser.add_argument("-i", dest="images", type=Path, required=True, metavar="DIR", help="images, named as nnU-Net's")
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="DIR", help="where the masks go")
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="one sentence per case (JSON or CSV)")
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("-d", dest="dataset", metavar="ID", help="number or name of the data set that trained the model")
    model.add_argument("-m", dest="model", type=Path, metavar="DIR", help="the model's folder, with plans.json")
    parser.add_argument("-c", dest="configuration", default="2d", help="configuration (default 2d)")
    parser.add_argument("-tr", dest="trainer", default="TIFCMambaTrainer", help="trainer (default %(default)s)")
    parser.add_argument("-p", dest="plans", default="nnUNetPlans", help="plans (default %(default)s)")
    parser.add_argument("-f", dest="folds", nargs="+", metavar="FOLD", help="folds to average (default: all there are)")
    parser.add_argument(
        "-chk",
        dest="checkpoint",
        default="checkpoint_final.pth",
        metavar="FILE",
        help="checkpoint (default %(default)s)",
    )
    parser.add_argument("-device", choices=("cpu", "cuda", "mps"), default=None, help="default: cuda if there is one")
    parser.add_argument(
        "--encoder",
        metavar="SPEC",
        help="the text encoder, if it is not where the model was trained",
    )
    add_scales(parser, "for models of image-level labels")
    parser.add_argument("--disable_tta", action="store_true", help="no mirrored views")
    parser.add_argument("--save_probabilities", action="store_true", help="write probabilities beside the masks")
    parser.add_argument("-npp", type=_processes, default=1, metavar="N", help="processes that preprocess (default 1)")
    parser.add_argument("-nps", type=_processes, default=1, metavar="N", help="processes that export masks (default 1)")


def _processes(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of processes; give 1 or more")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Predict and say where the masks are."""
    from cuescan.nnunet.prediction import predict

    count = predict(arguments)
    print(f"{count} masks: {arguments.output}")
    return 0
