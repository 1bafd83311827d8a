"""The compiled training step and the compiled forward pass."""

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from src.common.errors import InputError

from .compiled import Compiled
from .feature_loss import FEATURE_LOSSES
from .loss import cross_entropy, distillation_loss, smooth_labels


def make_forward(network, teacher, alpha, smoothing, feature_loss="none", feature_weight=0.0):
    """(images, labels, drop_mask) -> (loss, number of images whose most likely class is the label's).

    images (B, 3, H, W), soft labels (B, K), drop_mask: as of BiMLP.construct, or None. The loss is the cross-entropy
    with smoothed labels, or with a teacher that of Eq. 13, and feature_weight times one of FEATURE_LOSSES, if one is named.
    Raises InputError for a feature loss without two networks that have stage_maps.

    One graph holds both networks and wants unique names: the teacher's parameters get the prefix
    "teacher.", the network's keep theirs, as they would not inside a Cell around both.
    """
    if teacher is not None:
        teacher.update_parameters_name("teacher.")
    compare = FEATURE_LOSSES.get(feature_loss)
    if compare is not None:
        return _with_features(network, teacher, alpha, smoothing, compare, feature_weight)

    def forward(images, labels, drop_mask):
        logits = network(images) if drop_mask is None else network(images, drop_mask)
        target = smooth_labels(labels, smoothing)
        if teacher is None:
            loss = cross_entropy(logits, target)
        else:
            loss = distillation_loss(logits, target, teacher(images), alpha)
        return loss, hits(logits, labels)

    return forward


def hits(logits, labels):
    """Number of samples whose most likely class is the label's."""
    return ops.ReduceSum()(ops.cast(ops.argmax(logits, 1) == ops.argmax(labels, 1), ms.float32))


def _with_features(network, teacher, alpha, smoothing, compare, weight):
    """The function of make_forward with the loss of Eq. 13 and weight times compare(student maps, teacher maps)."""
    for each in (network, teacher):
        if not hasattr(each, "stage_maps"):
            found = "none" if each is None else type(each).__name__
            raise InputError(f"feature_loss: expected two networks with maps of their stages, got {found}")

    def forward(images, labels, drop_mask):
        if drop_mask is None:
            logits, maps = network.stage_maps(images)
        else:
            logits, maps = network.stage_maps(images, drop_mask)
        teacher_logits, teacher_maps = teacher.stage_maps(images)
        loss = distillation_loss(logits, smooth_labels(labels, smoothing), teacher_logits, alpha)
        return loss + weight * compare(maps, teacher_maps), hits(logits, labels)

    return forward


def scaled(forward):
    """(images, labels, drop_mask, scale) -> (the loss times scale, whose gradient is taken, loss, hits)."""

    def scaled_forward(images, labels, drop_mask, scale):
        loss, hits = forward(images, labels, drop_mask)
        return loss * scale, loss, hits

    return scaled_forward


class Gradient(nn.Cell):
    """(images, labels, drop_mask, scale) -> ((loss, hits), gradients of scale times the loss); `scales`: else scale is None."""

    def __init__(self, networks, forward, weights, scales):
        super().__init__(auto_prefix=False)
        self.networks = nn.CellList(networks, auto_prefix=False)  # whose parameters a kept graph is given
        self.scales = scales
        self.gradient = ms.value_and_grad(scaled(forward) if scales else forward, None, weights, has_aux=True)

    def construct(self, images, labels, drop_mask, scale):
        if self.scales:
            (_, loss, hits), gradients = self.gradient(images, labels, drop_mask, scale)
        else:
            (loss, hits), gradients = self.gradient(images, labels, drop_mask)
        return (loss, hits), gradients


_flat = ops.MultitypeFuncGraph("flat")
_piece = ops.MultitypeFuncGraph("piece")


@_flat.register("Tensor")
def _flat_one(tensor):
    return tensor.reshape(-1)


@_piece.register("Tensor", "Number", "Tensor")
def _piece_one(flat, begin, like):
    return ops.Slice()(flat, (begin,), (like.size,)).reshape(like.shape)


class AllReduceMean(nn.Cell):
    """(figures (3,), gradients) of one worker -> those of the job, the same on every worker.

    Gradients and the loss become the mean over the workers; hits and wishes to stop become the sum. One all-reduce
    takes all of them as one tensor: with one per parameter, workers wait most of a step (docs/scaling.md).
    """

    def __init__(self, weights, workers):
        super().__init__(auto_prefix=False)
        self.alone = workers.size == 1
        self.share, self.shares = 1 / workers.size, Tensor(np.array([1 / workers.size, 1, 1], np.float32))
        self.begins = tuple(int(begin) for begin in np.cumsum([3, *(p.size for p in weights)])[:-1])
        self.sum = nn.Identity() if self.alone else ops.AllReduce(ops.ReduceOp.SUM)

    def construct(self, figures, gradients):
        if self.alone:
            return figures, gradients
        flat = self.sum(ops.concat((figures, *ops.HyperMap()(_flat, gradients))))
        pieces = ops.HyperMap()(ops.partial(_piece, flat * self.share), self.begins, gradients)
        return flat[:3] * self.shares, pieces


class SingleBatchStep(nn.Cell):
    """(images, labels, drop_mask, coefficients, stop (1,), scale) -> (figures (3,), gradient norm): a step from one batch.

    gradient: a Gradient; scale as it takes it.
    """

    def __init__(self, gradient, optimizer, workers):
        super().__init__(auto_prefix=False)
        self.gradient, self.optimizer = gradient, optimizer
        self.all_reduce = AllReduceMean(optimizer.weights, workers)

    def construct(self, images, labels, drop_mask, coefficients, stop, scale):
        (loss, hits), gradients = self.gradient(images, labels, drop_mask, scale)
        figures = ops.concat((ops.stack((loss, hits)), stop))
        figures, gradients = self.all_reduce(figures, gradients)
        return figures, self.optimizer(gradients, coefficients, figures[:1])


_add = ops.MultitypeFuncGraph("add")
_clear = ops.MultitypeFuncGraph("clear")


@_add.register("Tensor", "Tensor", "Tensor")
def _add_one(share, total, value):
    return ops.assign_add(total, value * share)


@_clear.register("Tensor")
def _clear_one(total):
    return ops.assign(total, ops.zeros_like(total))


class GradientAccumulator(nn.Cell):
    """Sums over a step's batches so far: the mean gradients and (loss, hits)."""

    def __init__(self, weights):
        super().__init__(auto_prefix=False)
        self.gradients = weights.clone("sum", init="zeros")
        self.figures = Parameter(Tensor(np.zeros(2, np.float32)), name="sum_figures", requires_grad=False)


class Accumulate(nn.Cell):
    """(images, labels, drop_mask, scale) -> (loss, hits) so far: adds one of `batches` batches to the accumulator."""

    def __init__(self, gradient, accumulator, batches):
        super().__init__(auto_prefix=False)
        self.gradient, self.accumulator = gradient, accumulator
        self.share = Tensor(np.float32(1 / batches))
        self.shares = Tensor(np.array([1 / batches, 1], np.float32))

    def construct(self, images, labels, drop_mask, scale):
        (loss, hits), gradients = self.gradient(images, labels, drop_mask, scale)
        added = ops.HyperMap()(ops.partial(_add, self.share), self.accumulator.gradients, gradients)
        figures = ops.assign_add(self.accumulator.figures, ops.stack((loss, hits)) * self.shares)
        return ops.depend(figures, added)


class Update(nn.Cell):
    """(coefficients, stop (1,)) -> (figures (3,), gradient norm): a step by the accumulator, which is cleared."""

    def __init__(self, optimizer, accumulator, workers):
        super().__init__(auto_prefix=False)
        self.optimizer, self.accumulator = optimizer, accumulator
        self.all_reduce = AllReduceMean(optimizer.weights, workers)

    def construct(self, coefficients, stop):
        figures = ops.concat((self.accumulator.figures, stop))
        figures, gradients = self.all_reduce(figures, self.accumulator.gradients)
        norm = self.optimizer(gradients, coefficients, figures[:1])
        figures = ops.depend(figures, norm)
        cleared = ops.HyperMap()(_clear, ops.depend(self.accumulator.gradients, norm))
        cleared = (cleared, ops.assign(self.accumulator.figures, ops.zeros_like(figures[:2])))
        return ops.depend(figures, cleared), norm


class TrainStep:
    """One optimizer step from `accumulate` batches of each worker.

    Its gradient is the mean over all their images, as of one batch of that many; only BatchNorm's statistics are each
    batch's own (and each worker's, unless model.sync_bn).

    Args:
        networks: all that `forward` uses, with `forward` from make_forward.
        log, identity: as of Compiled.
        scales: whether there is a loss scale.
    """

    def __init__(
        self, networks, forward, optimizer, workers, accumulate=1, log=None, identity=None, scales=False
    ):
        self.optimizer, self.accumulate = optimizer, accumulate

        def compiled(cell, what):
            return Compiled(cell, what, log or (lambda text: None), identity)

        gradient = Gradient(networks, forward, optimizer.weights, scales)
        if accumulate == 1:
            self.parts = (compiled(SingleBatchStep(gradient, optimizer, workers), "the training step"),)
        else:
            accumulator = GradientAccumulator(optimizer.weights)
            self.parts = (
                compiled(Accumulate(gradient, accumulator, accumulate), "the gradients"),
                compiled(Update(optimizer, accumulator, workers), "the update"),
            )

    @property
    def ready(self):
        """True once all parts are compiled."""
        return all(part.ready for part in self.parts)

    def __call__(self, batches, coefficients, stop=False, scale=None):
        """One step. Weights and moments stay as they were where the loss or the norm is not finite.

        Args:
            batches: `accumulate` times (images, labels, drop_mask), tensors; drop_mask may be None.
            scale: the loss scale as a tensor of one number, its inverse being among the coefficients; or None.

        Returns:
            ((mean loss, hits, workers that wish to stop), gradient norm before clipping), tensors.
        """
        before = self.optimizer.updates()
        wish = Tensor(np.array([stop], np.float32))
        if self.accumulate == 1:
            (batch,) = batches
            (step,) = self.parts
            results = step(*batch, coefficients, wish, scale)
        else:
            add, update = self.parts
            for batch in batches:
                add(*batch, scale)
            results = update(coefficients, wish)
        self.optimizer.sleep_until(before + 1)
        return results


class Predict(nn.Cell):
    """images (B, 3, H, W) -> logits (B, K), in the mode that the network is in at the first call."""

    def __init__(self, network):
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, images):
        return self.network(images)


def path_factors(rates, batch, seed, step, part=(0, 1), worker=(0, 1)):
    """Drop path's factors of one batch: (paths, batch, 1, 1, 1), 0 with probability `rate`, else 1 / (1 - rate).

    A pure function of its arguments, so that a resumed run draws the same, and the images of a step get the same
    factors however they are spread over batches and workers. None when all rates are 0.

    Args:
        part: (number of the batch in the step, batches of the step).
        worker: (rank, workers).
    """
    if not any(rates):
        return None
    rates = np.asarray(rates)[:, None]
    (number, parts), (rank, workers) = part, worker
    draws = np.random.default_rng([seed, step, 0]).random((len(rates), parts * batch * workers))
    survives = draws.reshape(len(rates), parts, batch, workers)[:, number, :, rank] >= rates
    return Tensor((survives / (1 - rates)).astype(np.float32).reshape(len(rates), batch, 1, 1, 1))
