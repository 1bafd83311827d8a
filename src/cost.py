r"""What a network costs: python -m src.cost --model NAME [--image_size N] [section.key=value ...] [--json].

Operations, parameters and bytes per layer, per stage and in total, taken from the built network and the shapes that
one image has on its way through it.

One multiply-accumulate is one operation; only convolutions and FC layers are counted. A layer with one-bit inputs
and one-bit weights counts as BOPs, any other as FLOPs; OPs = FLOPs + BOPs / 64. Two conventions:

paper: with the additions of biases, as the paper's Table 1 has them. Full-precision layers have biases. BiMLP's
    binary layers have none, and are counted with those that their counterparts carry in Wave-MLP: phase FC,
    projection, both layers of the MLP and of the reweight MLP.
MACs: multiply-accumulates alone.

What neither counts is given as numbers of elements: `elementwise`.
"""

import argparse
import dataclasses
import itertools
import json
import math
import sys
import tempfile
from pathlib import Path

from src.cli import Parser, parse, run
from src.config import load_config
from src.errors import InputError
from src.markdown import markdown_table
from src.output import result

BITS_PER_OP = 64  # binary operations that count as one
KINDS = ("normalisation", "activation", "sign", "trigonometry", "pooling")
HEADER = (
    "layer",
    "kind",
    "output",
    "1-bit weights",
    "32-bit weights",
    "binary MACs",
    "float MACs",
    "biases added",
)


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """One convolution or FC layer, for one image.

    output: (C, H, W); weights: numbers in its filters; binary: whether inputs and weights are one bit each;
    macs: weights times positions of the output; biases: bias additions that the paper's convention counts.
    """

    name: str
    kind: str
    output: tuple
    weights: int
    binary: bool
    macs: int
    biases: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """A network's cost for one image: its layers, elements of work that is not counted, parameters, bytes.

    params: trained numbers; params_binary: those of them that one bit holds; checkpoint_bytes: size of the file
    that save_checkpoint writes; packed_bytes: that of export.py's PACKED format, or None where it has none for the
    network.
    """

    layers: tuple
    elementwise: dict
    params: int
    params_binary: int
    checkpoint_bytes: int
    packed_bytes: int | None

    def totals(self):
        """The figures by their names in the JSON output."""
        flops_macs = sum(layer.macs for layer in self.layers if not layer.binary)
        bops_macs = sum(layer.macs for layer in self.layers if layer.binary)
        flops = flops_macs + sum(layer.biases for layer in self.layers if not layer.binary)
        bops = bops_macs + sum(layer.biases for layer in self.layers if layer.binary)
        return {
            "flops": flops,
            "bops": bops,
            "ops": flops + bops / BITS_PER_OP,
            "flops_macs": flops_macs,
            "bops_macs": bops_macs,
            "ops_macs": flops_macs + bops_macs / BITS_PER_OP,
            "params": self.params,
            "params_binary": self.params_binary,
            "checkpoint_bytes": self.checkpoint_bytes,
            "packed_bytes": self.packed_bytes,
            "elementwise": self.elementwise,
        }


def cost_of(network, image_size, variant="", class_names=()):
    """The Cost of a network for one image (1, 3, image_size, image_size). It is run once, in PyNative mode.

    variant, class_names: texts that a packed file holds.

    Raises InputError for a size at which the network cannot run.
    """
    from src import cost_cells as known
    from src.deploy.packed import packed_size, reason_against

    network.set_train(False)
    cells = {name: cell for name, cell in network.cells_and_names() if name}
    counterparts = known.biased_in_wave_mlp(cells.values())
    layers, elementwise = [], dict.fromkeys(KINDS, 0)
    for name, (given, output) in known.run_shapes(network, image_size).items():
        cell = cells[name]
        kind = known.kind_of(cell)
        if kind is not None:
            elementwise[kind] += math.prod(output)
        if known.is_linear(cell):
            layers.append(_layer(name, cell, output, known, cell in counterparts))
        if known.binary_input(cell):
            elementwise["sign"] += math.prod(given)
    trained = [p for p in network.get_parameters() if p.requires_grad]
    params, binary = sum(p.size for p in trained), sum(layer.weights for layer in layers if layer.binary)
    packed = None if reason_against(network) else packed_size(network, variant, class_names)
    return Cost(tuple(layers), elementwise, params, binary, _checkpoint_bytes(network), packed)


def _layer(name, cell, output, known, counterpart_has_bias):
    """The LayerCost of a linear Cell; positions are those of its output, a map or a vector of O channels."""
    channels = cell.weight.shape[0]
    positions = math.prod(output) // channels
    h, w = output[-2:] if len(output) == 4 else (1, 1)
    return LayerCost(
        name=name,
        kind=type(cell).__name__,
        output=(channels, h, w),
        weights=cell.weight.size,
        binary=known.binary_input(cell) and known.binary_weight(cell),
        macs=cell.weight.size * positions,
        biases=channels * positions * (counterpart_has_bias or known.has_bias(cell)),
    )


def _checkpoint_bytes(network):
    """The size of the file that save_checkpoint writes."""
    from src.checkpoint import save_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.ckpt"
        save_checkpoint(path, network)
        return path.stat().st_size


# --- the command ---


def stage_of(name):
    """The part of a network that a layer belongs to, as "stages.0" or "stem"."""
    parts = name.split(".")
    return ".".join(parts[:2]) if len(parts) > 1 and parts[1].isdigit() else parts[0]


def layer_table(cost):
    """Every layer, and the sum of each stage behind it, as a Markdown table."""
    rows = []
    for stage, layers in itertools.groupby(cost.layers, lambda layer: stage_of(layer.name)):
        layers = list(layers)
        rows += [_row(layer.name, layer.kind, "x".join(map(str, layer.output)), [layer]) for layer in layers]
        rows.append(_row(f"= {stage}", "", "", layers))
    return markdown_table(HEADER, rows, ("layer", "kind"))


def _row(name, kind, output, layers):
    def total(field, binary):
        return f"{sum(getattr(layer, field) for layer in layers if layer.binary == binary):,}"

    sums = (total("weights", True), total("weights", False), total("macs", True), total("macs", False))
    biases = f"{sum(layer.biases for layer in layers):,}"
    return (name, kind, output, *sums, biases)


def totals_table(cost):
    """The totals under both conventions, as a Markdown table."""
    totals = cost.totals()
    rows = [
        (key.upper().replace("OPS", "OPs"), f"{totals[key]:,.0f}", f"{totals[f'{key}_macs']:,.0f}")
        for key in ("flops", "bops", "ops")
    ]
    return markdown_table(("operations", "paper's convention", "MACs alone"), rows, ("operations",))


def rest_table(cost):
    """Parameters, bytes and elements, as a Markdown table."""
    rows = [
        ("parameters", f"{cost.params:,}"),
        ("of these one bit each", f"{cost.params_binary:,}"),
        ("checkpoint, bytes", f"{cost.checkpoint_bytes:,}"),
        ("packed, bytes", "-" if cost.packed_bytes is None else f"{cost.packed_bytes:,}"),
        *((f"{kind}, elements (not counted)", f"{count:,}") for kind, count in cost.elementwise.items()),
    ]
    return markdown_table(("figure", "number"), rows, ("figure",))


def main(argv):
    """Builds the network, counts, prints the tables or one JSON object."""
    parser = Parser(
        prog="python -m src.cost",
        usage="python -m src.cost --model NAME [--image_size N] [--precision P] [--json] [section.key=value ...]",
        description=__doc__,
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
    from src.build import build_network, start_device
    from src.model import default_precision, image_size_of

    start_device(config)
    precision = args.precision or default_precision(args.model)
    network = build_network(config, args.model, config.model.num_classes or 1000, precision, form="fast")
    size = args.image_size or image_size_of(args.model)
    cost = cost_of(network, size, args.model, config.data.class_names)
    if args.json:
        result(json.dumps(cost.totals(), allow_nan=False))
    else:
        result("\n\n".join((layer_table(cost), totals_table(cost), rest_table(cost))))


if __name__ == "__main__":
    sys.exit(run(main))
