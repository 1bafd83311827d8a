#!/usr/bin/env python
"""Evaluate a checkpoint, packed, ONNX or MINDIR file, or predict pictures: python eval.py --checkpoint F [--data_path D | --image a.png b.jpg]."""

import sys

from src.common.errors import InputError
from src.settings.command_line import (
    PATH,
    add_model_flag,
    config_of_checkpoint,
    config_of_file,
    create_parser,
    has_network,
    parse,
    run,
)

DESCRIPTION = (
    "Reads the settings saved beside the checkpoint and prints top-1 and top-5 on the validation split, or\n"
    "the five most likely classes of single pictures.\n"
    "example: python eval.py --checkpoint output/step2/best.ckpt\n"
    "drawn: python eval.py --checkpoint output/step2/best.ckpt --image a.png b.png --plot out.png\n"
    "a packed file, in the engine: python eval.py --checkpoint output/step2/best.packed\n"
    "an ONNX file, in ONNX Runtime: python eval.py --checkpoint output/step2/best.onnx\n"
    "a MINDIR file, in MindSpore: python eval.py --checkpoint output/step2/best.mindir\n"
    "the authors' files: python eval.py --checkpoint BiMLP_M.ckpt --model released_bimlp_m --data_path imagenet"
)


def arguments(argv):
    """The parsed command line."""
    parser = create_parser("eval.py", DESCRIPTION)
    add_model_flag(parser)
    parser.add_argument(
        "--image", type=PATH, metavar="FILE", nargs="+", help="predict these pictures instead"
    )
    parser.add_argument(
        "--plot",
        type=PATH,
        metavar="FILE.png",
        help="draw the pictures of --image with their classes as bars",
    )
    parser.add_argument(
        "--per_class", action="store_true", help="also the images of each class, and how many were right"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    args = parse(parser, argv)
    if args.image and args.data_path:
        raise InputError("command line: expected --image or --data_path, got both")
    if args.image and args.per_class:
        raise InputError("command line: expected --image or --per_class, got both")
    if args.model and has_network(args):
        raise InputError(
            f"command line: the file has its network in it, expected no --model, got {args.model}"
        )
    return args


def main(argv):
    """The exit code of the evaluation."""
    args = arguments(argv)
    if has_network(args):
        from src.commands.evaluate_file import evaluate_file

        return evaluate_file(args, config_of_file(args))
    config = config_of_checkpoint(args)
    from src.commands.evaluate_network import (
        evaluate_network,  # loads the framework: help is quick without it
    )

    return evaluate_network(args, config)


if __name__ == "__main__":
    sys.exit(run(main))
