"""The command bimlp-run: the five most likely classes of pictures. It prints what bimlp_run (native/tools) does."""

import argparse
import json
import signal
import sys

import numpy as np

from . import Engine, InputError, read_picture
from .common.output import ReaderGone, prepare_streams, result, settle_streams, warn
from .common.text import one_line, printable

SHOWN, BAD_INPUT = 5, 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are InputErrors."""

    def error(self, message):
        raise InputError(f"command line: {message}")


def arguments(argv):
    """The parsed command line."""
    parser = Parser(
        "bimlp-run", description="Prints the five most likely classes of each picture.", allow_abbrev=False
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the engine")
    parser.add_argument("--describe", action="store_true", help="print as JSON what the network is")
    parser.add_argument("file", metavar="FILE.packed")
    parser.add_argument("pictures", metavar="PICTURE", nargs="*")
    args = parser.parse_args(argv)
    if args.describe == bool(args.pictures):
        parser.error("expected pictures, or --describe and none")
    return args


def show(path, logits, names):
    """Print the classes of one picture, the best first. logits (K,); names: of the classes, or none."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    result(printable(path))
    for k in np.argsort(-logits, kind="stable")[:SHOWN]:
        name = names[k] if names else k
        result(f"  {exponentials[k] / exponentials.sum():7.4f}  {printable(name)}")


def run(args):
    """Print what the command line asks for."""
    with Engine.load(args.file, args.threads) as engine:
        if args.describe:
            result(json.dumps(engine.description, ensure_ascii=False))
        for path in args.pictures:
            pixels = read_picture(path, engine.description)
            show(path, engine.logits(pixels[None])[0], engine.description["class_names"])


def main(argv=None):
    """The exit code: 0, or 2 with one line on stderr."""
    prepare_streams()
    try:
        run(arguments(argv))
        return 0
    except InputError as error:
        warn(f"error: {one_line(error)}")
        return BAD_INPUT
    except ReaderGone:
        return 128 + signal.SIGPIPE
    finally:
        settle_streams()


if __name__ == "__main__":
    sys.exit(main())
