"""Costs of a network: python -m src.commands.cost --model NAME [--image_size N] [section.key=value ...] [--json].

Prints parameters, bytes, FLOPs, BOPs and OPs per layer, per stage and in total, for one image.
"""

import json
import sys

from src.commands.named_network import create_parser, named_network
from src.common.output import result
from src.cost import count
from src.cost.count import cost_of
from src.cost.tables import layer_table, rest_table, totals_table
from src.settings.command_line import parse, run


def main(argv):
    """Builds the network, counts, prints the tables or one JSON object."""
    parser = create_parser("cost", f"{__doc__}\n{count.__doc__}", "[--json]")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    args = parse(parser, argv)
    config, network, size = named_network(args)
    cost = cost_of(network, size, args.model, config.data.class_names)
    if args.json:
        result(json.dumps(cost.totals(), allow_nan=False))
    else:
        result("\n\n".join((layer_table(cost), totals_table(cost), rest_table(cost))))


if __name__ == "__main__":
    sys.exit(run(main))
