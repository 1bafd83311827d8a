"""A network as a list of operations: python -m src.commands.describe --model NAME [--plot FILE.png] [section.key=value ...].

Prints a line per layer with its operations, the shape of its output and the numbers in its filters, for one image. Blocks
that follow their equal are counted, not repeated. --plot draws the network and each kind of its blocks.
"""

import sys

from src.commands.named_network import create_parser, named_network
from src.common.errors import InputError
from src.common.figures import check_png
from src.common.output import result, warn
from src.settings.command_line import PATH, parse, run


def main(argv):
    """Builds the network, traces it, prints the table, draws the picture."""
    parser = create_parser("describe", __doc__, "[--plot FILE.png]")
    parser.add_argument("--plot", type=PATH, metavar="FILE.png", help="draw a picture")
    args = parse(parser, argv)
    if args.plot:
        check_png("--plot", args.plot)
    _, network, size = named_network(args)
    from src.graph import trace
    from src.graph.describe import table_of

    try:
        graph = trace(network, size)
    except ValueError as error:
        raise InputError(f"{args.model}: {error}") from error
    if args.plot:
        from src.graph.draw import write_picture

        write_picture(args.plot, graph, args.model)
        warn(f"plot: {args.plot}")
    result(table_of(graph))


if __name__ == "__main__":
    sys.exit(run(main))
