"""Data parallelism: who this process is, and the few collective operations that the loop needs."""

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, communication, ops

PR_SET_PDEATHSIG = 1  # of prctl(2)


@dataclass(frozen=True)
class Workers:
    """This process among those of the job: rank in [0, size)."""

    rank: int = 0
    size: int = 1

    @property
    def first(self):
        """Whether this process speaks and writes for the job."""
        return self.rank == 0

    def sum(self, values):
        """Element-wise sum of a list of floats over the workers."""
        if self.size == 1:
            return list(values)
        return ops.AllReduce(ops.ReduceOp.SUM)(Tensor(np.asarray(values, np.float32))).asnumpy().tolist()

    def agree(self, number):
        """Rank 0's integer below 2^24, on every worker."""
        return round(self.sum([number if self.first else 0])[0])

    def gather(self, parameters):
        """What each worker holds of the parameters: an array (workers, ...) per parameter."""
        if self.size == 1:
            return [p.asnumpy()[None] for p in parameters]
        gather = ops.AllGather()
        return [gather(Tensor(p.asnumpy()[None])).asnumpy() for p in parameters]

    def mean(self, parameters):
        """The mean of each parameter over the workers, as a list of tensors."""
        reduce = ops.AllReduce(ops.ReduceOp.SUM)
        return [reduce(Tensor(p.asnumpy())) / self.size for p in parameters]

    def broadcast_(self, parameters):
        """Give every worker rank 0's values, before anything is compiled: the others add zeros to them."""
        if self.size > 1:
            for p in parameters:
                mine = Tensor(p.asnumpy()) if self.first else Tensor(np.zeros(p.shape, p.asnumpy().dtype))
                p.set_data(ops.AllReduce(ops.ReduceOp.SUM)(mine))


def start_workers():
    """Join the job that msrun or mpirun started; alone when there is none."""
    if int(os.environ.get("MS_WORKER_NUM", os.environ.get("OMPI_COMM_WORLD_SIZE", "1"))) == 1:
        return Workers()
    _end_with_parent()
    communication.init()
    return Workers(communication.get_rank(), communication.get_group_size())


def _end_with_parent():
    """Let the kernel send this process SIGTERM when its launcher dies: the launcher's workers are in sessions of their
    own, and would go on, or wait for each other for ever. Linux only; elsewhere nothing is done."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
