"""The compiled training step and the compiled forward pass."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from .loss import cross_entropy, distillation_loss, smooth_labels


def make_forward(network, teacher, alpha, smoothing):
    """(images, labels, keep) -> (loss, number of images whose most likely class is the label's).

    images (B, 3, H, W), soft labels (B, K), keep as BiMLP.construct has it or None. Without a teacher
    the loss is the cross-entropy with smoothed labels, with one that of Eq. 13.

    One graph holds both networks and wants unique names: the teacher's parameters get the prefix
    "teacher.", the network's keep theirs, as they would not inside a Cell around both.
    """
    if teacher is not None:
        teacher.update_parameters_name("teacher.")

    def forward(images, labels, keep):
        logits = network(images) if keep is None else network(images, keep)
        target = smooth_labels(labels, smoothing)
        if teacher is None:
            loss = cross_entropy(logits, target)
        else:
            loss = distillation_loss(logits, target, teacher(images), alpha)
        hits = ops.cast(ops.argmax(logits, 1) == ops.argmax(labels, 1), ms.float32)
        return loss, ops.ReduceSum()(hits)

    return forward


class TrainStep(nn.Cell):
    """(images, labels, keep, coefficients) -> (loss, hits, gradient norm), with `forward` from make_forward.

    Gradients are averaged over the workers, then given to the optimizer with its coefficients of the step.
    """

    def __init__(self, networks, forward, optimizer, workers):
        super().__init__(auto_prefix=False)
        self.networks = nn.CellList(networks, auto_prefix=False)  # whose parameters a kept graph is given
        self.optimizer = optimizer
        self.gradient = ms.value_and_grad(forward, None, optimizer.weights, has_aux=True)
        self.reduce = nn.Identity()
        if workers.size > 1:
            self.reduce = nn.DistributedGradReducer(optimizer.weights, mean=True, degree=workers.size)

    def construct(self, images, labels, keep, coefficients):
        (loss, hits), gradients = self.gradient(images, labels, keep)
        return loss, hits, self.optimizer(self.reduce(gradients), coefficients)


def make_train_step(networks, forward, optimizer, workers):
    """TrainStep as a function that returns when the step is over; networks: all that `forward` uses."""
    step = TrainStep(networks, forward, optimizer, workers)

    def step_and_wait(*arguments):
        before = optimizer.updates()
        results = step(*arguments)
        optimizer.sleep_until(before + 1)
        return results

    return step_and_wait


class Predict(nn.Cell):
    """images (B, 3, H, W) -> logits (B, K), in the mode that the network is in at the first call."""

    def __init__(self, network):
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, images):
        return self.network(images)


def path_factors(rates, batch, seed, step, rank):
    """Drop path's factors of one step: (paths, batch, 1, 1, 1), 0 with probability `rate`, else 1 / (1 - rate).

    A pure function of seed, step and rank, so that a resumed run draws the same. None when all rates are 0.
    """
    if not any(rates):
        return None
    rates = np.asarray(rates)[:, None]
    kept = np.random.default_rng([seed, step, rank]).random((len(rates), batch)) >= rates
    return Tensor((kept / (1 - rates)).astype(np.float32).reshape(len(rates), batch, 1, 1, 1))
