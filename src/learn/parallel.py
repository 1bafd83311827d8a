"""Data parallelism: who this process is, and the few collective operations that the loop needs."""

import os
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, communication, ops


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
    communication.init()
    return Workers(communication.get_rank(), communication.get_group_size())
