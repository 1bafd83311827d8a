"""A network's cost as Markdown tables: layers and stages, totals, and the rest."""

import itertools

from src.common.markdown import markdown_table

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
