"""The run state: all that a stopped stage needs to go on as if it had not stopped.

The newest two are kept. A folder on a disk that all workers see is expected; the first worker alone writes.
"""

from dataclasses import asdict, dataclass, fields

import numpy as np
from mindspore import Tensor

from src.checkpoint.file import read_checkpoint, save_checkpoint
from src.common.errors import InputError

STATE, PREVIOUS = "state.ckpt", "state.previous.ckpt"
_PREFIX = "run."
_PER_WORKER = "workers."
# Step times, on which no weight depends. Their shape follows the steps per epoch, which other numbers of workers change:
# times of another shape are dropped.
_STEP_TIMES = "run_measures"


@dataclass
class Progress:
    """Progress of a stage: finished epochs, steps done of the one under way, and its sums so far.

    loss_sum and hits are over the job's workers; skipped: skipped steps of the epoch;
    updates: the other steps, of all epochs. loss_scale: of the next step, 0 where it is off; scale_steps: without overflow
    since it changed. The last five are the run's data and step size, see run_data.py.
    """

    epoch: int = 0
    step: int = 0
    skipped: int = 0
    updates: int = 0
    loss_scale: float = 0.0
    scale_steps: int = 0
    loss_sum: float = 0.0
    hits: float = 0.0
    total_seconds: float = 0.0
    best_top1: float = -1.0
    best_top5: float = -1.0
    best_epoch: int = 0
    train_images: int = 0
    train_checksum: int = 0
    val_images: int = 0
    val_checksum: int = 0
    images_per_step: int = 0


def holds_run(folder):
    """True where a run state is in the folder."""
    return any((folder / name).exists() for name in (STATE, PREVIOUS))


def save_state(folder, progress, tensors, per_worker):
    """Write progress and tensors (name -> Parameter: weights, moments, averages) as one file; the last one is kept.

    per_worker: name -> array (workers, ...), of those among the tensors of which each worker has its own.
    """
    numbers = {_PREFIX + name: Tensor(np.float64(value)) for name, value in asdict(progress).items()}
    rows = {_PER_WORKER + name: Tensor(value) for name, value in per_worker.items()}
    save_checkpoint(folder / STATE, {**tensors, **numbers, **rows}, previous=folder / PREVIOUS)


def newest_state(folder):
    """(name of the newest whole run state, its content, what is wrong with newer ones, a text for each).

    Raises InputError when there is none.
    """
    faults = []
    for name in (STATE, PREVIOUS):
        try:
            return name, read_checkpoint(folder / name, checked=True), faults
        except InputError as error:
            faults.append(str(error))
    raise InputError("; ".join(faults))


def load_state(folder, tensors, workers):
    """Put the newest whole state into `tensors` in place; returns (its Progress, what is wrong with a newer one).

    Raises InputError, on all workers, when there is none or it is that of another network, and nothing is changed
    then.
    """
    names, faults, found = (STATE, PREVIOUS), [], None
    if workers.first:
        try:
            chosen, found, faults = newest_state(folder)
        except InputError:
            workers.agree(0)
            raise
        workers.agree(1 + names.index(chosen))
    else:
        number = workers.agree(0)
        if not number:
            raise InputError(f"{folder}: no whole run state")
        chosen = names[number - 1]
        found = read_checkpoint(folder / chosen, checked=True)
    progress = _put(folder / chosen, found, tensors, workers)
    # every worker has read the file before the first one may replace it
    if workers.sum([progress.epoch, progress.step]) != [
        progress.epoch * workers.size,
        progress.step * workers.size,
    ]:
        raise InputError(
            f"run state {folder / chosen}: expected the same file on all workers, got different ones"
        )
    return progress, faults


def _put(path, found, tensors, workers):
    """The file's content into `tensors`; returns the Progress."""
    rows = {n.removeprefix(_PER_WORKER): p for n, p in found.items() if n.startswith(_PER_WORKER)}
    found = {name: p for name, p in found.items() if not name.startswith(_PER_WORKER)}
    names = {field.name: field.type for field in fields(Progress)}
    expected = {**{name: tuple(p.shape) for name, p in tensors.items()}, **{_PREFIX + n: () for n in names}}
    shapes = {name: tuple(p.shape) for name, p in found.items()}
    other = {n for n in shapes if n.startswith(_PREFIX)} ^ {_PREFIX + n for n in names}
    if other:
        raise InputError(
            f"run state {path}: expected the entries of this version, got those of another one ({min(other)} differs); "
            "start a new run from the weights beside it (last.ckpt)"
        )
    mismatched = {n for n in expected.keys() | shapes.keys() if expected.get(n) != shapes.get(n)}
    mismatched |= {n for n, p in rows.items() if tuple(p.shape[1:]) != expected.get(n)}
    if mismatched - {_STEP_TIMES}:
        mismatched = sorted(mismatched - {_STEP_TIMES})
        raise InputError(
            f"run state {path}: expected the state of this network and optimizer, "
            f"but {len(mismatched)} entries differ, the first is {mismatched[0]}"
        )
    counts = {len(p) for p in rows.values()} - {workers.size}
    if counts:
        raise InputError(
            f"run state {path}: it was saved in the middle of an epoch of {counts.pop()} workers; "
            f"expected as many, got {workers.size}"
        )
    for name in tensors.keys() - mismatched:
        value = rows[name].asnumpy()[workers.rank] if name in rows else found[name].asnumpy()
        tensors[name].set_data(Tensor(value))
    return Progress(**{name: kind(found[_PREFIX + name].asnumpy()) for name, kind in names.items()})
