"""Costs of a network: python -m src.commands.cost --model NAME [--image_size N] [section.key=value ...] [--json].

Prints parameters, bytes, FLOPs, BOPs and OPs per layer, per stage and in total, for one image.
"""

import argparse
import json
import sys

from src.commands.build import build_network, start_device
from src.common.errors import InputError
from src.common.output import result
from src.cost import count
from src.cost.count import cost_of
from src.cost.tables import layer_table, rest_table, totals_table
from src.model import default_precision, image_size_of
from src.settings.command_line import Parser, parse, run
from src.settings.config import load_config


def main(argv):
    """Builds the network, counts, prints the tables or one JSON object."""
    parser = Parser(
        prog="python -m src.commands.cost",
        usage="python -m src.commands.cost --model NAME [--image_size N] [--precision P] [--json] [section.key=value ...]",
        description=f"{__doc__}\n{count.__doc__}",
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
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings of the model section"
    )
    args = parse(parser, argv)
    if args.image_size is not None and args.image_size < 1:
        raise InputError(f"--image_size: expected 1 pixel or more, got {args.image_size}")
    config = load_config(overrides=args.overrides, flags={"model.name": args.model})
    start_device(config)
    precision = args.precision or default_precision(args.model)
    network = build_network(config, args.model, config.model.num_classes or 1000, precision, backend="fast")
    size = args.image_size or image_size_of(args.model)
    cost = cost_of(network, size, args.model, config.data.class_names)
    if args.json:
        result(json.dumps(cost.totals(), allow_nan=False))
    else:
        result("\n\n".join((layer_table(cost), totals_table(cost), rest_table(cost))))


if __name__ == "__main__":
    sys.exit(run(main))
