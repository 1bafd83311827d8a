#!/usr/bin/env python
"""Export a checkpoint to a checked file: python export.py --checkpoint F --file_format MINDIR [--batch_size N|dynamic]."""

import sys

from src.common.errors import InputError
from src.settings.command_line import PATH, add_model_flag, config_of_checkpoint, create_parser, parse, run

DESCRIPTION = (
    "Writes the network with binary weights as -1 and +1 and their scale, and with plain convolutions, loads\n"
    "the file again and compares it with the network on random images; the file stays only if they agree.\n"
    "example: python export.py --checkpoint output/step2/best.ckpt --file_format MINDIR --batch_size dynamic"
)


def arguments(argv):
    """The parsed command line."""
    parser = create_parser("export.py", DESCRIPTION)
    add_model_flag(parser)
    parser.add_argument(
        "--file_format",
        metavar="NAME",
        default="MINDIR",
        help="MINDIR (default), ONNX or PACKED (1-bit weights)",
    )
    parser.add_argument(
        "--batch_size", metavar="N", default="1", help="images per batch (default: 1), or dynamic: any number"
    )
    parser.add_argument(
        "--mindir_writer",
        metavar="NAME",
        help="graph (default): operations that devices know; framework: MindSpore's newest",
    )
    parser.add_argument(
        "--output",
        type=PATH,
        metavar="FILE",
        help="default: the checkpoint's name with another ending, in its folder or --output_dir",
    )
    args = parse(parser, argv)
    if args.data_path:
        raise InputError(
            f"command line: export.py reads no data, expected no --data_path, got {args.data_path}"
        )
    return args


def main(argv):
    """The exit code of the export."""
    args = arguments(argv)
    config = config_of_checkpoint(args)
    from src.commands.export import export  # loads the framework: help is quick without it

    return export(args, config)


if __name__ == "__main__":
    sys.exit(run(main))
