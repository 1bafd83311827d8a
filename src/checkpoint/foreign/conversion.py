"""A network's parameters from another program's weights: what was matched, what was left aside, what does not fit."""

from typing import NamedTuple

import numpy as np

from src.checkpoint.foreign.ordered import Order, rules_by_order
from src.checkpoint.foreign.rules import joined, match
from src.common.errors import InputError
from src.common.text import cut

MAX_NAMES, MAX_NAME_LENGTH = 6, 80  # in a message
RUNNING = ("moving_mean", "moving_variance")


class Conversion(NamedTuple):
    """Arrays by our names, and three accounts: {our name: reference's names}, {reference's name: why it is left aside},
    and our names that keep the network's values, for the reference has no such parameter."""

    arrays: dict
    matched: dict
    aside: dict
    kept: list


def convert(foreign, rules, target, path):
    """Conversion of a Foreign by rules, a tuple of Rules or an Order.

    Args:
        target: our name -> (shape, whether it is trained). A parameter that is not trained and no running statistic may
            be missing, as the gamma that a norm does not learn.
        path: file, for messages.

    Raises:
        InputError: names without a rule, parameters without weights, shapes that do not fit, numbers that are not finite.
    """
    if isinstance(rules, Order):
        rules = rules_by_order(rules, foreign.arrays, target)
    names = match(list(foreign.arrays), rules)
    unknown = [*names.unknown, *[theirs for ours in names if ours not in target for _, theirs in names[ours]]]
    lacking = [n for n, (_, trained) in target.items() if n not in names and (trained or n.endswith(RUNNING))]
    kept = [name for name in target if name not in names and name not in lacking]
    # HDF5 is always in Keras' layout; other files with Keras' names may be in either
    fits = [
        _joined(names, foreign.arrays, target, keras)
        for keras in ((True,) if foreign.keras else (False, True))
    ]
    arrays = min(fits, key=lambda found: sum(array is None for array in found.values()))
    wrong = [name for name, array in arrays.items() if array is None]
    if unknown or lacking or wrong:
        raise InputError(_mismatch(path, foreign, names, target, (unknown, lacking, wrong)))
    for name, array in arrays.items():
        array = np.asarray(array, np.float32)
        if not np.isfinite(array).all():
            raise InputError(f"weights {path}: expected finite numbers, got others in {_shown(names[name])}")
        arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
    matched = {name: [theirs for _, theirs in sorted(names[name])] for name in arrays}
    return Conversion(arrays, matched, names.aside, kept)


def _joined(names, arrays, target, keras):
    return {
        name: joined(names[name], arrays, tuple(target[name][0]), keras) for name in target if name in names
    }


def _shown(parts):
    return " + ".join(cut(name, MAX_NAME_LENGTH) for _, name in sorted(parts))


def _mismatch(path, foreign, names, target, faults):
    """Message on weights that are not the network's."""
    unknown, lacking, wrong = faults
    parts = []
    if unknown:
        parts.append(f"{len(unknown)} without a place in the network: {_listed(unknown)}")
    if lacking:
        parts.append(f"{len(lacking)} of the network's missing in the file: {_listed(lacking)}")
    if wrong:
        texts = [
            f"{name}: expected {tuple(target[name][0])}, got "
            f"{' + '.join(str(foreign.arrays[theirs].shape) for _, theirs in sorted(names[name]))} in {_shown(names[name])}"
            for name in wrong
        ]
        parts.append(f"{len(wrong)} of another shape: {_listed(texts, 3 * MAX_NAME_LENGTH)}")
    return f"weights {path} do not fit the network; {'; '.join(parts)}"


def _listed(texts, length=MAX_NAME_LENGTH):
    rest = f" and {len(texts) - MAX_NAMES} more" if len(texts) > MAX_NAMES else ""
    return ", ".join(cut(text, length) for text in texts[:MAX_NAMES]) + rest
