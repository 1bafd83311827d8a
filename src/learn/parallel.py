"""Data parallelism: the rank of this process, and the few collective operations that the loop needs.

Each operation loads the framework itself: a process alone does without.
"""

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

import numpy as np

from src.common.output import settle_streams

from .launcher import SCHEDULER, place_in_job

PR_SET_PDEATHSIG = 1  # of prctl(2)


@dataclass(frozen=True)
class Workers:
    """This process among those of the job: rank in [0, size)."""

    rank: int = 0
    size: int = 1

    @property
    def first(self):
        """True for the process that logs and writes for the job."""
        return self.rank == 0

    def sum(self, values):
        """Element-wise sum of a list of floats over the workers."""
        if self.size == 1:
            return list(values)
        return self._total(np.asarray(values, np.float32)).tolist()

    def agree(self, number):
        """Rank 0's integer below 2^24, on every worker."""
        return round(self.sum([number if self.first else 0])[0])

    def gather(self, parameters):
        """Values of the parameters on each worker: an array (workers, ...) per parameter."""
        from mindspore import Tensor, ops

        flat = _flat(parameters)[None]
        rows = flat if self.size == 1 else ops.AllGather()(Tensor(flat)).asnumpy()
        return [row.reshape(self.size, *p.shape) for p, row in zip(parameters, _pieces(rows, parameters))]

    def mean(self, parameters):
        """The mean of each parameter over the workers, as a list of tensors."""
        from mindspore import Tensor

        mean = self._total(_flat(parameters)) / self.size
        return [Tensor(piece.reshape(p.shape)) for p, piece in zip(parameters, _pieces(mean, parameters))]

    def broadcast_(self, parameters):
        """Give every worker rank 0's values, before anything is compiled: the others add zeros to them."""
        if self.size > 1:
            from mindspore import Tensor

            flat = _flat(parameters)
            values = self._total(flat if self.first else np.zeros_like(flat))
            for p, piece in zip(parameters, _pieces(values, parameters)):
                p.set_data(Tensor(piece.reshape(p.shape)))

    def _total(self, values):
        """The sum of an array over the workers."""
        from mindspore import Tensor, ops

        return ops.AllReduce(ops.ReduceOp.SUM)(Tensor(values)).asnumpy()


def _flat(parameters):
    """All their numbers in one array: workers that meet once per parameter mostly wait."""
    return np.concatenate([np.zeros(0, np.float32), *(p.asnumpy().ravel() for p in parameters)])


def _pieces(flat, parameters):
    """The stretches of the last axis that belong to each parameter; contiguous copies."""
    ends = np.cumsum([p.size for p in parameters])[:-1]
    return [np.ascontiguousarray(piece) for piece in np.split(flat, ends, axis=-1)]


def start_workers():
    """Join the job that msrun or mpirun started; alone when there is none, or no other worker in it.

    msrun's scheduler runs this as well. Where several workers join, the framework ends that process when they have
    ended; one worker needs no scheduler, which leaves by SystemExit at once.

    Raises InputError for variables of a launcher that do not fit each other.
    """
    job = place_in_job(os.environ)
    if job.role or job.workers > 1:
        _end_with_parent()
    if job.workers == 1:
        if job.role == SCHEDULER:
            sys.stderr.write("the scheduler of a job of one worker: nothing to do\n")
            raise SystemExit(0)
        return Workers()
    from mindspore import communication

    sys.excepthook = _end_at_once
    communication.init()
    return Workers(communication.get_rank(), communication.get_group_size())


def _end_at_once(kind, error, trace):
    """sys.excepthook: tell of the error and end. The framework's own way out waits for the job's other processes, a
    minute and more where they are gone, as they may well be."""
    sys.__excepthook__(kind, error, trace)
    settle_streams()
    os._exit(1)


def _end_with_parent():
    """Let the kernel send this process SIGTERM when its launcher dies: the launcher's workers are in sessions of their
    own, and would go on, or wait for each other for ever. Linux only; elsewhere nothing is done."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
