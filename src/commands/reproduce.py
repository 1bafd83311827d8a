"""The paper's tables again: their costs in seconds, their rows trained on your data, and section 3.1's argument.

  python scripts/reproduce.py --table 5 --cost
  python scripts/reproduce.py --table 5 --data_path cifar10 --epochs 1 --seeds 2
  python scripts/reproduce.py --table fig1 --data_path cifar10 --epochs 12 --teacher output/cifar10_full/teacher/best.ckpt
  python scripts/reproduce.py --ability
  python scripts/reproduce.py --linearity --checkpoint output/step2/best.ckpt

Without --config_path, --data_path is a folder for config/cifar10.yaml (--size paper: config/bimlp_s_imagenet.yaml),
and without either the embedded digits are taken. --cost prints our FLOPs, BOPs and OPs beside the paper's, with what
differs and why. Training gives every row the same epochs and seeds; stopped, it goes on where it was; results in
output_dir/table<N>.md, .json and .png.
"""

import argparse
import dataclasses
from functools import cache, partial
from pathlib import Path

from src.commands.build import build_network, load_checkpoint, start_device, trained_network
from src.common.errors import InputError
from src.common.files import ensure_writable_dir
from src.common.output import result
from src.cost.count import cost_of
from src.data import create_dataset
from src.learn.progress import log
from src.model import image_size_of, model_names
from src.paper.ability import ability_table, measure, measured_table
from src.paper.costs import cost_rows, costs_text, heading
from src.paper.linearity import LINEARITY, linearity, linearity_table
from src.paper.results import result_table, write_results
from src.paper.runs import Budget, check_budget, network_of, train_table
from src.paper.tables import TABLES
from src.settings.command_line import Parser, config_beside, parse
from src.settings.config import load_config

ROOT = Path(__file__).resolve().parents[2]
EVERY = "all"
SMALL_CLASSES = 10  # of the digits and CIFAR-10
OVERLAYS = {
    "small": "config/cifar10.yaml",
    "paper": "config/bimlp_s_imagenet.yaml",
}  # of --size, with --data_path


def chosen_tables(names):
    """(number, Table) of the tables of these names. Raises InputError for an unknown one."""
    names = list(TABLES) if names == [EVERY] else names
    for name in names:
        if name not in TABLES:
            raise InputError(f"--table: expected {EVERY} or some of {', '.join(TABLES)}, got {name!r}")
    return [(name, TABLES[name]) for name in names]


def chosen_rows(number, table, names):
    """The rows of these names, all for none. Raises InputError for an unknown one."""
    known = {row.name: row for row in table.rows}
    for name in names:
        if name not in known:
            raise InputError(f"--row: table {number} has the rows {', '.join(known)}, got {name!r}")
    return [known[name] for name in names] if names else list(table.rows)


@cache
def totals_of(name, precision, overrides, classes=1000):
    """The totals of a network's cost at its own image size, None for a network that is not built here. Rows of several
    tables are the same network: it is counted once."""
    if name not in model_names():
        return None
    config = load_config(overrides=overrides, flags={"model.name": name})
    return cost_of(
        build_network(config, name, classes, precision, backend="plain"), image_size_of(name)
    ).totals()


def print_costs(tables, args):
    """The costs of every table's chosen rows."""
    if args.overrides:
        raise InputError(f"--cost: expected no settings, rows have their own, got {args.overrides[0]}")
    start_device(load_config())
    for index, (number, table) in enumerate(tables):
        if index:
            result("")
        result(
            costs_text(
                number, dataclasses.replace(table, rows=chosen_rows(number, table, args.row)), totals_of
            )
        )


def train(tables, args):
    """Every table's rows, and after each row the table's results so far."""
    config = load_config(args.config_path or None, args.overrides)
    budget = Budget(
        args.config_path,
        args.data_path,
        args.epochs,
        Path(args.output_dir).resolve(),
        tuple(args.overrides),
        args.size == "small",
        args.teacher,
    )
    plans = []
    for number, table in tables:
        if not table.compares:
            raise InputError(f"--table {number}: its rows are not variants to compare; take 3 to 8 or fig4")
        plans.append((number, table, chosen_rows(number, table, args.row)))
        check_budget(plans[-1][2], budget)
    ensure_writable_dir(budget.output_dir)
    seeds = "one seed" if args.seeds == 1 else f"{args.seeds} seeds"
    about = f"{config.data.source}, {args.epochs} epoch{'s' * (args.epochs > 1)} per stage, {seeds}"
    for number, table, rows in plans:
        title, name = heading(number, table), number if number.startswith("fig") else f"table{number}"
        log(f"{title.lstrip('# ')}: {about}")
        ops = ops_of(dataclasses.replace(table, rows=rows), budget) if table.against_ops else None
        for results in train_table(rows, args.seeds, budget, log):
            write_results(budget.output_dir, name, title, about, results, ops)
        result(f"\n{result_table(results, ops)}\n\n-> {budget.output_dir / name}.md, .json, .png\n")


def ops_of(table, budget):
    """OPs of one image by the row's name, at the trained networks' size and for `SMALL_CLASSES` classes."""
    start_device(load_config())
    trained = (dataclasses.replace(row, network=network_of(row, budget)) for row in table.rows)
    rows = cost_rows(dataclasses.replace(table, rows=trained), partial(totals_of, classes=SMALL_CLASSES))
    return {row.name: totals["ops"] for row, totals in rows}


def measured_network(args):
    """(network, images, sentence on both) for measurements: that of --checkpoint, or one with random weights."""
    flags = {"data.path": args.data_path} if args.data_path else {}
    if args.checkpoint:
        config = config_beside(args.checkpoint, args.overrides, flags)
        start_device(config)
        network = trained_network(config, backend="plain")
        load_checkpoint(network, args.checkpoint)
    else:
        config = load_config(args.config_path or None, args.overrides, flags)
        start_device(config)
        network = build_network(
            config, config.model.name, config.model.num_classes or 10, "binary", backend="plain"
        )
    images, _ = next(iter(create_dataset(config, "val").epoch(0)))
    weights = args.checkpoint or "random weights"
    about = f"Measured: {config.model.name}, {weights}, {len(images)} images of {config.data.source}."
    return network, images, about


def print_ability(args):
    """The argument of section 3.1 in numbers, and the sums that a network's layers take on real images."""
    network, images, about = measured_network(args)
    result(f"{ability_table()}\n")
    result(f"{measured_table(measure(network, [images]))}\n")
    result(
        f"{about} Layers along an axis can exceed K + 1: at the map's border their sums have fewer terms, and the other "
        "parity."
    )


def print_linearity(args):
    """The linearity of a network's binary layers on real images."""
    network, images, about = measured_network(args)
    result(f"{linearity_table(linearity(network, [images]))}\n")
    result(f"{about} {LINEARITY}")


def main(argv):
    """Returns nothing: exit code 0."""
    parser = Parser(
        prog="python scripts/reproduce.py",
        usage="python scripts/reproduce.py --table N [--cost | --data_path DIR --epochs N [--seeds K]] [section.key=value ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--table", nargs="+", default=[], metavar="N", help=f"{', '.join(TABLES)}; or {EVERY}"
    )
    parser.add_argument("--row", nargs="+", default=[], metavar="NAME", help="only these rows of the table")
    parser.add_argument(
        "--cost", action="store_true", help="costs at 224 pixels beside the paper's; nothing is trained"
    )
    parser.add_argument(
        "--ability", action="store_true", help="representation ability, by formula and measured"
    )
    parser.add_argument(
        "--linearity", action="store_true", help="linearity of the binary layers, after FTBNN's abstract"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="--ability, --linearity: a trained network's (default: random weights)",
    )
    parser.add_argument(
        "--config_path", default="", metavar="FILE", help="overlay of default_config.yaml for training"
    )
    parser.add_argument("--data_path", default="", metavar="DIR", help="the data set's folder")
    parser.add_argument("--epochs", type=int, default=0, metavar="N", help="of every stage of every row")
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="K", help="trainings of every row (default: 1)"
    )
    parser.add_argument(
        "--teacher",
        default="",
        metavar="FILE",
        help="one teacher's best.ckpt for all binary rows (default: each row's own)",
    )
    parser.add_argument("--output_dir", default="output/tables", metavar="DIR", help="default: output/tables")
    parser.add_argument(
        "--size",
        choices=("small", "paper"),
        default="small",
        help="networks for 32x32 images, or the paper's",
    )
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="settings for every row")
    args = parse(parser, argv)
    if args.data_path and not args.config_path:
        args.config_path = str(ROOT / OVERLAYS[args.size])
    if args.ability or args.linearity:
        (print_ability if args.ability else print_linearity)(args)
        return
    if not args.table:
        raise InputError(
            f"command line: expected --table with {EVERY} or some of {', '.join(TABLES)}, --ability or --linearity"
        )
    tables = chosen_tables(args.table)
    if args.cost:
        print_costs(tables, args)
        return
    for name in ("epochs", "seeds"):
        if getattr(args, name) < 1:
            raise InputError(
                f"--{name}: expected 1 or more to train, got {getattr(args, name)}; --cost trains nothing"
            )
    train(tables, args)
