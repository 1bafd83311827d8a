"""Names and layouts of other programs' weights, put into a network's by rules: pure functions on names and shapes."""

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

MAX_PREFIX_WORDS = 4
# the last word of a name in PyTorch -> ours, by kind of layer
WEIGHT = {"weight": "weight", "weights": "weight", "bias": "bias"}
NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
DEPTHWISE = "depthwise_kernel"
FROM_1, PART, BLOCK, HALF = "_from_1", "part", "block", "half"  # names of groups, and an ending


@dataclass(frozen=True)
class Rule:
    """A reference's layers -> ours.

    pattern: of a reference's layer; an optional group that is not there counts as 1. Groups are texts for `ours`; a group n_from_1 is a number counted from 1, which is
        {n}, counted from 0, in `ours`; a group part is the number of a piece of our parameter; a group block, of
        two units, and the group half_from_1 give {unit}, the first one without a half.
    ours: the layer in the network, with {groups}; "" for a layer that is left aside.
    words: last word of the reference's name -> ours.
    reason: why it is left aside.
    """

    pattern: str
    ours: str
    words: dict = field(default_factory=lambda: WEIGHT)
    reason: str = ""


@dataclass(frozen=True)
class Aside:
    """Name that a rule leaves aside, and why."""

    reason: str


class Match(dict):
    """Our name -> [(part, reference's name)]; `aside`: reference's name -> reason; `unknown`: names without a rule."""

    def __init__(self):
        super().__init__()
        self.aside, self.unknown = {}, []


def split(name):
    """(layer, last word) of a name, which dots or slashes divide."""
    layer, mark, word = name.rpartition("/")
    return (layer, word) if mark else tuple(name.rpartition(".")[::2])


def our_name(name, rules):
    """(our name, part) of a reference's, Aside, or None where no rule has it. The first rule that fits counts."""
    layer, word = split(name)
    for rule in rules:
        found = re.fullmatch(rule.pattern, layer, re.ASCII)
        if found and not rule.ours:
            if not rule.words or word in rule.words:
                return Aside(rule.reason)
        elif found and word in rule.words:
            groups = dict(_counted_from_0(*item) for item in found.groupdict(default="1").items())
            part = int(groups.pop(PART, 0))
            if BLOCK in groups:
                groups["unit"] = 2 * int(groups[BLOCK]) + groups.get(HALF, 0)
            return f"{rule.ours.format(**groups)}.{rule.words[word]}", part
    return None


def _counted_from_0(key, text):
    return (key.removesuffix(FROM_1), int(text) - 1) if key.endswith(FROM_1) else (key, text)


def match(names, rules):
    """Match of names by rules, after the prefix under which most of them have one is taken off.

    Names without that prefix are unknown.
    """
    best = None
    for prefix in _prefixes(names):
        found = Match()
        for name in names:
            target = our_name(name.removeprefix(prefix), rules) if name.startswith(prefix) else None
            if target is None:
                found.unknown.append(name)
            elif isinstance(target, Aside):
                found.aside[name] = target.reason
            else:
                found.setdefault(target[0], []).append((target[1], name))
        if best is None or len(found.unknown) < len(best.unknown):
            best = found
    return best


def _prefixes(names):
    """Beginnings of names that end in a dot or slash, "" first, then those of most names."""
    counts = Counter()
    for name in names:
        ends = [place.end() for place in re.finditer(r"[./]", name)][:MAX_PREFIX_WORDS]
        counts.update(name[:end] for end in ends)
    return ["", *[prefix for prefix, count in counts.most_common(20) if count > 1]]


def fitted(array, shape, word, keras):
    """The array in the shape of our parameter, or None where it does not fit.

    Vectors may have further axes of length 1, as (1, C, 1, 1). Kernels of PyTorch are (O, I, h, w) as ours, or flat,
    (O I h w, 1). FCs may be our convolutions 1x1. keras: whether kernels are (h, w, I, O), depth-wise (h, w, C, 1), dense (in, out).
    """
    if len(shape) < 2:
        return array.reshape(shape) if _without_ones(array.shape) == _without_ones(shape) else None
    if keras:
        array = _from_keras(array, word)
    pointwise = array.shape == tuple(shape[:2]) and tuple(shape[2:]) == (1, 1)
    if pointwise or array.shape == (np.prod(shape), 1) and len(shape) > 2:
        array = array.reshape(shape)
    return array if array.shape == tuple(shape) else None


def _without_ones(shape):
    return tuple(n for n in shape if n != 1)


def _from_keras(array, word):
    if array.ndim == 4:
        return array.transpose((2, 3, 0, 1) if word == DEPTHWISE else (3, 2, 0, 1))
    return array.T


def joined(parts, arrays, shape, keras):
    """Our parameter of one or more of a reference's arrays, or None where they do not fit.

    parts: [(part, name)]; pieces are laid along the first axis, and must be numbered from 0, each once.
    """
    if sorted(number for number, _ in parts) != list(range(len(parts))) or (shape and shape[0] % len(parts)):
        return None
    one = (shape[0] // len(parts), *shape[1:]) if shape else ()
    pieces = [fitted(arrays[name], one, split(name)[1], keras) for _, name in sorted(parts)]
    if any(piece is None for piece in pieces):
        return None
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
