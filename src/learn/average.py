"""Exponential moving average of a network's parameters."""

import contextlib

import mindspore as ms
import numpy as np
from mindspore import ParameterTuple, Tensor, nn, ops

from .assign import make_assign

_blend = ops.MultitypeFuncGraph("blend")


@_blend.register("Tensor", "Tensor", "Tensor", "Tensor")
def _blend_one(kept, added, average, value):
    return ops.assign(average, average * kept + value * added)


def warmed_decay(decay, updates):
    """Decay of update number `updates`, from 0: min(decay, (1 + updates) / (10 + updates)).

    With the full decay from the start, the average of a short run would be its random first weights.
    """
    return min(decay, (1 + updates) / (10 + updates))


class MovingAverage(nn.Cell):
    """average <- d average + (1 - d) value, over all parameters, running statistics included; d = warmed_decay."""

    def __init__(self, parameters, decay):
        super().__init__()
        parameters = list(parameters)
        self.values = ParameterTuple(parameters)
        self.averages = self.values.clone("average", init="same")
        self.decay = decay
        self.put = make_assign(parameters)
        self.blend_all = ms.jit(self._blend_all)

    def _blend_all(self, kept, added):
        return ops.HyperMap()(ops.partial(_blend, kept, added), self.averages, self.values)

    def update(self, updates):
        """One step of the average, after so many."""
        decay = warmed_decay(self.decay, updates)
        # tensors: another number would be another graph
        self.blend_all(Tensor(np.float32(decay)), Tensor(np.float32(1 - decay)))

    def state(self):
        """The averages by name, for the run state."""
        return {p.name: p for p in self.averages}

    @contextlib.contextmanager
    def in_place(self):
        """Context manager: the network holds the averages within, and its values again afterwards."""
        values = [Tensor(p.asnumpy()) for p in self.values]
        self.put([Tensor(p.asnumpy()) for p in self.averages])
        try:
            yield
        finally:
            self.put(values)
