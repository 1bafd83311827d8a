"""Network by name, with settings of the model section: the command line of commands that look at one."""

import argparse

from src.commands.build import build_network, start_device
from src.common.errors import InputError
from src.settings.command_line import Parser
from src.settings.config import load_config


def create_parser(command, description, flags):
    """A Parser with --model, --image_size, --precision and settings; a command adds its own flags.

    Args:
        command: module of src/commands.
        flags: its own flags, for the line of usage.
    """
    program = f"python -m src.commands.{command}"
    parser = Parser(
        prog=program,
        usage=f"{program} --model NAME [--image_size N] [--precision P] {flags} [section.key=value ...]",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="any network of this project or MindCV"
    )
    parser.add_argument(
        "--image_size", type=int, metavar="N", help="pixels (default: what the network is meant for)"
    )
    parser.add_argument(
        "--precision",
        metavar="P",
        help="fp32, binary_act, binary (default: binary; fp32 for Wave-MLP and MindCV)",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings of the model section"
    )
    return parser


def named_network(args):
    """(config, network, image size) of parsed arguments; the network in evaluation, with the backend plain.

    Raises InputError for an image size below 1, and as build_network.
    """
    if args.image_size is not None and args.image_size < 1:
        raise InputError(f"--image_size: expected 1 pixel or more, got {args.image_size}")
    config = load_config(overrides=args.overrides, flags={"model.name": args.model})
    start_device(config)
    from src.model import default_precision, image_size_of  # loads the framework: help is quick without it

    precision = args.precision or default_precision(args.model)
    network = build_network(config, args.model, config.model.num_classes or 1000, precision, backend="plain")
    return config, network.set_train(False), args.image_size or image_size_of(args.model)
