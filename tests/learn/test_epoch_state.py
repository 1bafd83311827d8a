"""State that moves with the epochs: assigned in place, given to the average, and the same on all workers."""

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from src.learn.epoch_state import EpochState
from src.learn.parallel import Workers


class Moving(nn.Cell):
    """y = x + t with t = epoch / epochs + rank and a pair of the same."""

    def __init__(self, rank=0):
        super().__init__()
        self.rank = rank
        self.t = Parameter(Tensor(np.float32(0)), name="t", requires_grad=False)
        self.pair = Parameter(Tensor(np.zeros(2, np.float32)), name="pair", requires_grad=False)

    def construct(self, x):
        return x + self.t

    def state_of_epoch(self, epoch, epochs):
        value = epoch / epochs + self.rank
        return [(self.t, value), (self.pair, [value, value])]


class Second(Workers):
    """The second of two workers, whose sum adds what the first has."""

    def sum(self, values):
        return [mine + first for mine, first in zip(values, (0.5, 0.25, 0.125))]


def test_a_compiled_network_sees_the_state_of_each_epoch():
    network = nn.SequentialCell(Moving())
    ms.set_context(mode=ms.GRAPH_MODE)
    state = EpochState(network, Workers(), {})
    found = []
    for epoch in range(3):
        state.begin(epoch, 4)
        found.append(network(Tensor(np.float32(1))).asnumpy())
    np.testing.assert_array_equal(found, [1, 1.25, 1.5])


def test_the_average_takes_the_state_over():
    network = Moving()
    average = Parameter(Tensor(np.float32(9)), name="average.t")
    EpochState(network, Workers(), {"t": average}).begin(1, 4)
    assert average.asnumpy() == network.t.asnumpy() == 0.25


def test_workers_have_the_state_of_the_first():
    network = Moving(rank=1)
    EpochState(network, Second(1, 2), {}).begin(1, 4)
    assert network.t.asnumpy() == 0.5
    np.testing.assert_array_equal(network.pair.asnumpy(), [0.25, 0.125])


def test_a_network_without_a_state_is_left_alone():
    EpochState(nn.SequentialCell(nn.ReLU()), Workers(), {}).begin(0, 1)
