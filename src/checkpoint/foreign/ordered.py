"""Layers of Keras' networks: their names hold numbers by order of creation, and are put beside ours in their order.

Keras gives a layer without a name of its own its kind and a number, "quant_conv2d_3"; the first has none, and the first of
a second network in one process goes on where the first network ended. Networks with names of their own count in them,
"section_1_block_0_dense_bn". So the kind is the name without its numbers, and the numbers tell the order within a kind.
"""

import re
from dataclasses import dataclass

from src.checkpoint.foreign.rules import Rule, split

# last word of a name in Keras -> ours
WORDS = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "moving_mean",
    "moving_variance": "moving_variance",
    "alpha": "slope",
}
NUMBER = re.compile(r"_(\d{1,6})([ab]?)(?=_|$)")  # in a layer's name


@dataclass(frozen=True)
class Order:
    """Kinds of a network's layers, of which our n-th of a kind is the reference's n-th.

    kinds: pattern of our layers -> kind in the reference, with # for a number, but for one at its end; the first that fits
        counts. Our layers are in the order of the network's parameters.
    fixed: Rules of layers that are found by their whole name.
    group, ahead: patterns: of our layers that begin alike by `group`, those in which `ahead` is found were created first.
    """

    kinds: dict
    fixed: tuple = ()
    group: str = ""
    ahead: str = ""


def kind_and_number(layer):
    """(kind, numbers) of a layer of the reference, as ("section_#_block_#_dense_bn", ((1, ""), (0, "")))."""
    numbers = tuple((int(number), letter) for number, letter in NUMBER.findall(layer))
    return NUMBER.sub("_#", layer).removesuffix("_#"), numbers


def rules_by_order(order, names, target):
    """Rules for an Order, from the names of a file and of our network's parameters.

    Layers that one side alone has get no rule: they are found missing, or without a place.
    """
    theirs = {}
    for last in dict.fromkeys(re.split(r"[./]", split(name)[0])[-1] for name in names):
        kind, number = kind_and_number(last)
        theirs.setdefault(kind, []).append((number, last))
    ours = {}
    fixed = {rule.ours for rule in order.fixed}
    for layer in _in_order_of_creation(order, dict.fromkeys(name.rpartition(".")[0] for name in target)):
        kind = next((kind for pattern, kind in order.kinds.items() if re.fullmatch(pattern, layer)), None)
        if layer not in fixed:
            ours.setdefault(kind, []).append(layer)
    return order.fixed + tuple(
        Rule(rf"(.*/)?{re.escape(last)}", layer, WORDS)
        for kind, layers in ours.items()
        for (_, last), layer in zip(sorted(theirs.get(kind, ())), layers)
    )


def _in_order_of_creation(order, layers):
    """Our layers, where those created first stand at the beginning of their group."""
    layers = list(layers)
    begins = {}
    for place, layer in enumerate(layers):
        begins.setdefault(_group(order, layer), place)

    def place_of(layer):
        ahead = bool(order.ahead and re.search(order.ahead, layer))
        return begins[_group(order, layer)], not ahead, layers.index(layer)

    return sorted(layers, key=place_of)


def _group(order, layer):
    found = order.group and re.match(order.group, layer)
    return found[0] if found else layer
