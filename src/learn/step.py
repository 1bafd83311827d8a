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


def make_train_step(forward, optimizer, workers):
    """The jitted step: (images, labels, keep, coefficients) -> (loss, hits, gradient norm).

    Gradients are averaged over the workers, then given to the optimizer with its coefficients of the step.
    """
    gradient = ms.value_and_grad(forward, None, optimizer.weights, has_aux=True)
    reduce = nn.Identity()
    if workers.size > 1:
        reduce = nn.DistributedGradReducer(optimizer.weights, mean=True, degree=workers.size)

    @ms.jit
    def step(images, labels, keep, coefficients):
        (loss, hits), gradients = gradient(images, labels, keep)
        return loss, hits, optimizer(reduce(gradients), coefficients)

    def step_and_wait(*arguments):
        before = optimizer.updates()
        results = step(*arguments)
        optimizer.sleep_until(before + 1)
        return results

    return step_and_wait


def make_predict(network):
    """The jitted forward pass of a network in evaluation mode: images (B, 3, H, W) -> logits (B, K)."""

    @ms.jit
    def predict(images):
        return network(images)

    return predict


def path_factors(rates, batch, seed, step, rank):
    """Drop path's factors of one step: (paths, batch, 1, 1, 1), 0 with probability `rate`, else 1 / (1 - rate).

    A pure function of seed, step and rank, so that a resumed run draws the same. None when all rates are 0.
    """
    if not any(rates):
        return None
    rates = np.asarray(rates)[:, None]
    kept = np.random.default_rng([seed, step, rank]).random((len(rates), batch)) >= rates
    return Tensor((kept / (1 - rates)).astype(np.float32).reshape(len(rates), batch, 1, 1, 1))
