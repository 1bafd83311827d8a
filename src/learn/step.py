"""The compiled training step and the compiled forward pass."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from .loss import cross_entropy, distillation_loss, smooth_labels
from .optimizer import global_norm, scale_gradients


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


def make_train_step(forward, optimizer, clip_norm, workers):
    """The jitted step: (images, labels, keep, rate, eps, decay) -> (loss, hits, gradient norm).

    Gradients are averaged over the workers, then scaled down to the global norm clip_norm (0: as they
    are), then applied by AdamW.
    """
    gradient = ms.value_and_grad(forward, None, optimizer.weights, has_aux=True)
    reduce = nn.Identity()
    if workers.size > 1:
        reduce = nn.DistributedGradReducer(optimizer.weights, mean=True, degree=workers.size)

    @ms.jit
    def step(images, labels, keep, rate, eps, decay):
        (loss, hits), gradients = gradient(images, labels, keep)
        gradients = reduce(gradients)
        norm = global_norm(gradients)
        if clip_norm > 0:
            gradients = scale_gradients(gradients, ops.minimum(clip_norm / (norm + 1e-6), 1.0))
        return ops.depend(loss, optimizer(gradients, rate, eps, decay)), hits, norm

    return step


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
