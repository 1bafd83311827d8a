"""Layers that a reference numbers by order of creation, as Keras does: put beside ours in their order.

Keras gives a layer without a name of its own its kind and a number, "quant_conv2d_3"; the first has none, and the first of
a second network in one process goes on where the first network ended. So only the order within a kind tells.
"""

import re
from dataclasses import dataclass

from src.checkpoint.foreign.rules import NORM, WEIGHT, Rule, split

BATCH_NORM = "batch_normalization"
NUMBERED = re.compile(r"(.*?)(?:_(\d{1,6}))?")


@dataclass(frozen=True)
class Order:
    """Kinds of a network's layers, of which the n-th of a kind is the reference's n-th.

    kinds: pattern of our layers -> kind in the reference; the first that fits counts. Our layers are in the order of the
        network's parameters.
    created_first: pattern of a group of our layers, whose members that `ahead` fits were created before the others.
    """

    kinds: dict
    created_first: str = ""
    ahead: str = ""


def rules_by_order(order, names, target):
    """Rules for an Order, from the names of a file and of our network's parameters.

    Layers that one side alone has get no rule: they are found missing, or without a place.
    """
    theirs = {}
    for layer in dict.fromkeys(split(name)[0] for name in names):
        last = re.split(r"[./]", layer)[-1]
        kind, number = NUMBERED.fullmatch(last).groups(default="0")
        theirs.setdefault(kind, set()).add((int(number), last))
    ours = {}
    for layer in _in_order_of_creation(order, dict.fromkeys(name.rpartition(".")[0] for name in target)):
        kind = next((kind for pattern, kind in order.kinds.items() if re.fullmatch(pattern, layer)), None)
        ours.setdefault(kind, []).append(layer)
    return tuple(
        Rule(rf"(.*/)?{re.escape(last)}", layer, NORM if kind == BATCH_NORM else WEIGHT)
        for kind, layers in ours.items()
        for (_, last), layer in zip(sorted(theirs.get(kind, ())), layers)
    )


def _in_order_of_creation(order, layers):
    """Our layers, where those created first stand at the beginning of their group."""
    layers = list(layers)
    if not order.created_first:
        return layers
    begins = {}
    for place, layer in enumerate(layers):
        begins.setdefault(_group(order, layer), place)
    return sorted(
        layers,
        key=lambda layer: (
            begins[_group(order, layer)],
            not re.search(order.ahead, layer),
            layers.index(layer),
        ),
    )


def _group(order, layer):
    found = re.match(order.created_first, layer)
    return found[0] if found else layer
