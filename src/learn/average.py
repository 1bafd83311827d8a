"""Exponential moving average of a network's parameters."""

import contextlib

import mindspore as ms
from mindspore import ParameterTuple, Tensor, nn, ops

from .assign import make_assign

_blend = ops.MultitypeFuncGraph("blend")


@_blend.register("Number", "Tensor", "Tensor")
def _blend_one(decay, average, value):
    return ops.assign(average, average * decay + value * (1 - decay))


class MovingAverage(nn.Cell):
    """average <- decay average + (1 - decay) value, over all parameters, running statistics included."""

    def __init__(self, parameters, decay):
        super().__init__()
        parameters = list(parameters)
        self.values = ParameterTuple(parameters)
        self.averages = self.values.clone("average", init="same")
        self.decay = decay
        self.put = make_assign(parameters)
        self.blend_all = ms.jit(self._blend_all)

    def _blend_all(self):
        return ops.HyperMap()(ops.partial(_blend, self.decay), self.averages, self.values)

    def update(self):
        """One step of the average."""
        self.blend_all()

    def state(self):
        """The averages by name, for the run state."""
        return {p.name: p for p in self.averages}

    @contextlib.contextmanager
    def in_place(self):
        """The network holds the averages within, and its own values again afterwards."""
        own = [Tensor(p.asnumpy()) for p in self.values]
        self.put([Tensor(p.asnumpy()) for p in self.averages])
        try:
            yield
        finally:
            self.put(own)
