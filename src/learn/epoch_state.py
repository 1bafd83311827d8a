"""State that moves with the epochs: parameters that no gradient trains, as the steepness of a quantizer's gradient.

A Cell has such a state where it has the method state_of_epoch(epoch, epochs) -> list of (parameter, array), a function of the
number of the epoch, 0 .. epochs - 1, and of the network at its beginning.
"""

import numpy as np
from mindspore import Tensor

from .assign import make_assign


class EpochState:
    """The state of a network's Cells. `begin` moves it; the run state holds it, for it is parameters.

    average_of: parameter name -> the parameter's moving average, which takes the state over as it is.
    """

    def __init__(self, network, workers, average_of):
        self.cells = [cell for _, cell in network.cells_and_names() if hasattr(cell, "state_of_epoch")]
        self.workers = workers
        self.parameters = [parameter for parameter, _ in self.values(0, 1)]
        self.averages = [
            (i, average_of[p.name]) for i, p in enumerate(self.parameters) if p.name in average_of
        ]
        targets = [*self.parameters, *(average for _, average in self.averages)]
        self.assign = make_assign(targets) if targets else None

    def values(self, epoch, epochs):
        """List of (parameter, array): the state of an epoch."""
        return [pair for cell in self.cells for pair in cell.state_of_epoch(epoch, epochs)]

    def begin(self, epoch, epochs):
        """Move the state to epoch 0 .. epochs - 1: that of rank 0, so that no machine's rounding parts the workers."""
        if self.assign is None:
            return
        arrays = [np.asarray(value, np.float32).reshape(p.shape) for p, value in self.values(epoch, epochs)]
        if self.workers.size > 1:
            flat = np.concatenate([a.ravel() for a in arrays]) * self.workers.first
            ends = np.cumsum([a.size for a in arrays])[:-1]
            pieces = np.split(np.asarray(self.workers.sum(flat.tolist()), np.float32), ends)
            arrays = [piece.reshape(a.shape) for piece, a in zip(pieces, arrays)]
        arrays += [arrays[i] for i, _ in self.averages]
        self.assign([Tensor(a) for a in arrays])
