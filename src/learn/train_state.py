"""State of a network in training: parameters, moments, moving average and buffers."""

from contextlib import nullcontext

import numpy as np
from mindspore import Tensor

from src.checkpoint.file import parameters_of, save_checkpoint

from .assign import make_assign
from .average import MovingAverage
from .epoch_state import EpochState
from .optimizer import AdamW, can_fuse


class TrainState:
    """Parameters, AdamW with its moments, the moving average if train.ema_decay asks for one, and the buffers.

    Buffers are the running statistics, which the forward pass changes, the state that moves with the epochs, and the
    averages of both: each worker has its own.

    Args:
        network: every worker gets its parameters from the first one.
        train: the settings under `train`.
    """

    def __init__(self, network, train, workers):
        self.parameters, self.workers = parameters_of(network), workers
        workers.broadcast_(list(self.parameters.values()))
        self.optimizer = AdamW(
            [p for p in self.parameters.values() if p.requires_grad], train.betas, train.eps, train.weight_decay,
            train.decay_all, train.clip_norm, can_fuse(),
        )  # fmt: skip
        self.average, averages = None, ()
        if train.ema_decay:
            self.average = MovingAverage(self.parameters.values(), train.ema_decay)
            averages = tuple(zip(self.parameters.values(), self.average.averages))
        self.buffers = [p for p in self.parameters.values() if not p.requires_grad]
        self.buffers += [average for p, average in averages if not p.requires_grad]
        self._put_buffers = make_assign(self.buffers)
        self.epoch_state = EpochState(network, workers, {p.name: average for p, average in averages})

    def tensors(self):
        """Parameters, moments and averages by name, for the run state."""
        averages = self.average.state() if self.average is not None else {}
        return {**self.parameters, **self.optimizer.state(), **averages}

    def not_finite(self):
        """The name of a tensor that holds NaN or an infinity, or None."""
        found = (name for name, p in self.tensors().items() if not np.isfinite(p.asnumpy()).all())
        return next(found, None)

    def averaged(self):
        """Context manager: within, the network holds the averages where there are any."""
        return self.average.in_place() if self.average is not None else nullcontext()

    def update_average(self, updates):
        """One step of the average, after so many."""
        if self.average is not None:
            self.average.update(updates)

    def save(self, path, averaged=False):
        """Write the network's checkpoint, or that of its averages."""
        with self.averaged() if averaged else nullcontext():
            save_checkpoint(path, self.parameters)

    def buffers_now(self):
        """A copy of the buffers, for `put_buffers`."""
        return [Tensor(p.asnumpy()) for p in self.buffers]

    def put_buffers(self, values):
        """Set the buffers."""
        self._put_buffers(values)

    def equalize_buffers(self):
        """Give all workers the mean of their buffers."""
        if self.workers.size > 1:
            self.put_buffers(self.workers.mean(self.buffers))

    def gather_buffers(self):
        """Buffer name -> array (workers, ...) of what each worker has; {} where there is one worker."""
        if self.workers.size == 1:
            return {}
        return dict(zip((p.name for p in self.buffers), self.workers.gather(self.buffers)))
