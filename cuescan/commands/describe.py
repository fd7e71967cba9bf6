"""``cuescan describe``: a sentence for each mask."""

from __future__ import annotations

import argparse
from pathlib import Path

from cuescan.errors import UserError

HELP = "write a sentence for each mask: where its findings lie and how large they are"

EXAMPLES = """
Writes a table with columns "image" and "text", one row per mask, in several phrasings:
  "One small red polyp in the top-left of the image, bounding box (12, 30, 90, 120), covering 4.5% of the image."
The place is the ninth of the image in which a finding's centre lies; the box is left, top, right, bottom in pixels.
Connected pixels that cover less than 0.05 percent of the image are no finding of their own. A class that is not in a
mask is denied ("No polyp."), unless part of the mask is ignored.

Such sentences stand in for what a person would write: they serve to develop and to compare. Correct them by hand, or
write your own in the same table.

examples:
  cuescan describe masks -o captions.csv --classes polyp
  cuescan describe masks -o captions.csv --classes polyp --images images       (adds clear colours and sizes)
  cuescan describe masks -o captions.csv --classes tumour stroma --mask-values 0=tumour 1=stroma 4=ignore
  cuescan describe labelsTs -o prompts.csv --detail place                      (classes from dataset.json beside it)

then:
  cuescan prepare -d 104 -n Polyps --images images --cues captions.csv --classes polyp
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("masks", type=Path, metavar="MASKS", help="folder of masks")
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE", help="the table (CSV) to write")
    parser.add_argument("--images", type=Path, metavar="DIR", help="their images, to add words for colour and size")
    parser.add_argument(
        "--classes", nargs="+", default=(), metavar="NAME",
        help="class names in the order of the mask values (default: those of the dataset.json beside MASKS)",
    )  # fmt: skip
    parser.add_argument(
        "--mask-values", nargs="+", default=(), metavar="VALUE=NAME",
        help="what mask values mean, as for cuescan prepare (default: 0 background, 1 the first class, ...)",
    )  # fmt: skip
    parser.add_argument(
        "--detail", choices=("name", "place", "full"), default="full",
        help="name: which classes; place: also how many and where; full: also boxes and shares (default)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="chooses the phrasings (default 0)")


def run(arguments: argparse.Namespace) -> None:
    """Describe the masks and print where the table is."""
    from cuescan.data.caption_table import Captions, write_captions

    if not arguments.output.parent.is_dir():
        raise UserError(f"{arguments.output.parent}: there is no such folder; make it, or choose another -o")
    if arguments.seed < 0:
        raise UserError(f"--seed is {arguments.seed} but must not be negative; give 0 or more")
    classes, background = _classes(arguments)
    wanted = Captions(
        masks=arguments.masks,
        classes=classes,
        background=background,
        mask_values=tuple(arguments.mask_values),
        images=arguments.images,
        detail=arguments.detail,
        seed=arguments.seed,
    )
    written, silent = write_captions(wanted, arguments.output)
    print(f"{written} sentences: {arguments.output}")
    if silent:
        print(f"left out, as nothing but ignored pixels is known of them: {silent} masks")


def _classes(arguments: argparse.Namespace) -> tuple[tuple[str, ...], bool]:
    """The class names and whether there is a background: as given, or of the data set that the masks belong to."""
    from cuescan.cues.checking import check_classes
    from cuescan.evaluation.labels import read_labels

    if arguments.classes:
        check_classes(arguments.classes, "--classes")
        return tuple(arguments.classes), True
    path = arguments.masks.resolve().parent / "dataset.json"
    if not path.is_file():
        raise UserError(f"{arguments.masks}: there is no dataset.json beside it; name the classes with --classes")
    labels = read_labels(path, arguments.masks)
    return labels.classes, labels.background
