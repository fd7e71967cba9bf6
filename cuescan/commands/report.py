"""``cuescan report``: one HTML page of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from cuescan.errors import UserError

HELP = "write one HTML page of a run: scores, confusion, best and worst cases, curves, recipe"

EXAMPLES = """
RUN is one of
  a fold of a trained model        nnUNet_results/DatasetXXX_Name/TRAINER__nnUNetPlans__2d/fold_0
  a folder of predictions          with the scores.json of cuescan evaluate
  a MONAI bundle                   with eval/predictions, after evaluate.json
  a benchmark                      with the results.json of benchmarks/weak.py

The page holds its pictures and asks nothing of the network: it can be opened from disk, sent and archived. It names
cases and shows images of them, so it is as confidential as they are. Sentences are left out without --show-text.

A fold's validation predictions are scored against nnUNet_raw/DatasetXXX_Name/labelsTr. Where those masks are all
'ignore', as in a data set of cues alone, the page tells how far the predictions agree with the cues.

Confidence maps need stored probabilities: nnUNetv2_train ... --val --npz, or nnUNetv2_predict --save_probabilities.

examples:
  cuescan report $nnUNet_results/Dataset101_Biopsies/PathMambaTrainer__nnUNetPlans__2d/fold_0
  cuescan report predictions -o glas.html
  cuescan report predictions --masks labelsTs --images imagesTs --cues prompts.csv -n 5
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a fold, of predictions, or of a benchmark")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: RUN/report.html")
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="masks to report on (default: the fold's own)")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="reference masks (default: those of the data set)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="images (default: those of the data set)")
    parser.add_argument("--cues", type=Path, metavar="FILE", help="cues.json, prompts or a table of either")
    parser.add_argument(
        "-n", type=int, default=3, metavar="N", help="cases shown of the best and of the worst (default %(default)s)"
    )
    parser.add_argument(
        "--show-text", action="store_true", help="write out the cues' sentences, which may speak of a patient"
    )


def run(args: argparse.Namespace) -> None:
    """Write the page and print where it is, and what it lacks."""
    from cuescan.cues.writing import write_text
    from cuescan.report import benchmark, single
    from cuescan.report.finding import find_run
    from cuescan.report.run import Wishes

    if args.n < 1:
        raise UserError(f"-n is {args.n}, but a report shows at least one case: give -n 1 or more.")
    output: Path = args.output or args.folder / "report.html"
    if args.folder.is_dir() and not output.parent.is_dir():
        raise UserError(f"{output.parent}: there is no such folder; make it, or choose another -o")
    if benchmark.is_benchmark(args.folder):
        write_text(benchmark.page(args.folder), output)
    else:
        found = find_run(args.folder, Wishes(args.predictions, args.masks, args.images, args.cues))
        write_text(single.page(found, args.n, args.show_text), output)
        print(*found.hints, sep="\n", end="\n" if found.hints else "")
    print(output)
