"""``cuescan prepare``: images and cues -> an nnU-Net raw data set."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cuescan.commands.options import add_destination, destination

HELP = "images and cues -> an nnU-Net raw data set"

EXAMPLES = """
the table of cues (CSV with comma, semicolon or tab, or JSON) has a column "image" and either
  one column per class       1 present, 0 absent, empty not stated
  a column "labels"          the classes in the image, separated by ; (what is not listed is absent)
  a column "text"            a sentence
a cues.json as cuescan writes it is read as well.

images: PNG, JPEG, BMP, TIFF (8-bit, or 16-bit gray); DICOM or NIfTI slices, written as NIfTI. Palettes become RGB,
transparency is put over white, EXIF orientation is applied; one RGB image makes the whole set RGB. Masks serve
evaluation only: training never reads them.

examples:
  cuescan prepare -d 101 -n Biopsies --images slides --cues labels.csv
  cuescan prepare -d 101 -n Biopsies --images slides --cues labels.csv --group patient --masks masks \\
      --test-images test --test-masks test_masks
  cuescan prepare -d 102 -n Tissue --images tiles --cues lists.csv --classes tumour stroma --no-background \\
      --masks masks --mask-values 0=tumour 1=stroma 4=ignore
  cuescan prepare -d 103 -n Colours --images tiles --cues lists.csv --classes tumour stroma --masks masks \\
      --mask-values 255,0,0=tumour "#00ff00=stroma" "*=ignore"
  cuescan prepare -d 104 -n Polyps --images frames --cues captions.csv --classes polyp --masks jpeg_masks \\
      --mask-values ">=128=polyp"
  cuescan prepare -d 105 -n Polyps --images frames --cues captions.csv --classes polyp --monai
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the training images")
    parser.add_argument("--cues", type=Path, metavar="TABLE", help="CSV or JSON of cues, one row per image")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="masks named like their images, for evaluation only")
    parser.add_argument("--group", metavar="COLUMN", help="the table's column of patient or slide, whole in each fold")
    parser.add_argument("--test-images", type=Path, metavar="DIR", help="images for imagesTs")
    parser.add_argument("--test-masks", type=Path, metavar="DIR", help="their masks, for labelsTs")
    parser.add_argument(
        "--classes", nargs="+", default=(), metavar="NAME", help="class names in the order of the mask values"
    )
    parser.add_argument("--no-background", action="store_true", help="every pixel belongs to one of the classes")
    parser.add_argument(
        "--mask-values", nargs="+", default=(), metavar="VALUE=NAME",
        help="what mask values mean: an index, R,G,B, #rrggbb, >=N or * (all others) = a class, background or ignore "
        "(default: 0 background, 1 the first class, ...)",
    )  # fmt: skip
    parser.add_argument(
        "--cues-from-masks", type=float, metavar="SHARE",
        help="for development: a class is present where its mask covers more than this share of the image",
    )  # fmt: skip
    parser.add_argument(
        "--monai", action="store_true", help="also write datalist.json for the MONAI bundles, which take either"
    )
    add_destination(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the data set and say what comes next."""
    from cuescan.data.prepare import Inputs, prepare

    inputs = Inputs(
        images=arguments.images,
        cues=arguments.cues,
        masks=arguments.masks,
        group=arguments.group,
        test_images=arguments.test_images,
        test_masks=arguments.test_masks,
        classes=tuple(arguments.classes),
        background=not arguments.no_background,
        mask_values=tuple(arguments.mask_values),
        cues_from_masks=arguments.cues_from_masks,
    )
    folder = prepare(inputs, arguments.dataset_id, arguments.name, **destination(arguments))
    print(folder)
    if arguments.monai:
        from cuescan.monai.datalist import write_datalist

        print(write_datalist(folder))
    preprocessed = os.environ.get("nnUNet_preprocessed")
    if preprocessed and (Path(preprocessed) / folder.name).exists():
        print(f"{Path(preprocessed) / folder.name} is from an earlier version: plan again with --clean")
    print(f"next: nnUNetv2_plan_and_preprocess -d {arguments.dataset_id} -c 2d")
    return 0
