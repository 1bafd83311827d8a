"""The run state: all that a stopped stage needs to go on as if it had not stopped."""

from dataclasses import asdict, dataclass, fields

import numpy as np
from mindspore import Tensor

from src.checkpoint import read_checkpoint, save_checkpoint
from src.errors import InputError

_PREFIX = "run."
# Measurements, on which no weight depends: a state of an earlier version has the first and lacks the second, and the
# second's shape follows the number of steps. Where they do not fit they keep what they hold.
_MEASURED = {"run.seconds", "run_measures"}


@dataclass
class Progress:
    """Where a stage stands: finished epochs, steps done of the one under way, and its sums so far."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    hits: float = 0.0
    total_seconds: float = 0.0
    best_top1: float = -1.0
    best_top5: float = -1.0
    best_epoch: int = 0


def save_state(path, progress, tensors):
    """Write progress and tensors (name -> Parameter: weights, moments, averages) as one file."""
    numbers = {_PREFIX + name: Tensor(np.float64(value)) for name, value in asdict(progress).items()}
    save_checkpoint(path, {**tensors, **numbers})


def load_state(path, tensors):
    """Put the file's tensors into `tensors` in place and return its Progress.

    Raises InputError when the file is damaged or holds another network's state; nothing is changed then.
    """
    found = read_checkpoint(path)
    names = {field.name: field.type for field in fields(Progress)}
    expected = {**{name: tuple(p.shape) for name, p in tensors.items()}, **{_PREFIX + n: () for n in names}}
    shapes = {name: tuple(p.shape) for name, p in found.items()}
    odd = {n for n in expected.keys() | shapes.keys() if expected.get(n) != shapes.get(n)}
    if odd - _MEASURED:
        odd = sorted(odd - _MEASURED)
        raise InputError(
            f"run state {path}: expected the state of this network and optimizer, "
            f"but {len(odd)} entries differ, the first is {odd[0]}"
        )
    for name in tensors.keys() - odd:
        tensors[name].set_data(Tensor(found[name].asnumpy()))
    return Progress(**{name: kind(found[_PREFIX + name].asnumpy()) for name, kind in names.items()})
