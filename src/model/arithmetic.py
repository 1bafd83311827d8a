"""Configuration of the layers of one network: precision, quantizer, norm, activation, shortcut, backend.

Every Cell of a network takes the same Arithmetic.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mindspore import communication, nn
from mindspore import dtype as mstype

from .activations import ACTIVATIONS
from .backends import Backend, choose_backend
from .binarize import BinarizeActivation, RSign, sign
from .norms import NORMS
from .quantizers import QUANTIZERS, gradient_name, heaviside
from .shortcuts import SHORTCUTS

PRECISIONS = ("fp32", "binary_act", "binary")
IS_ZERO_ONE = {
    sign: False,
    heaviside: True,
}  # activation quantizer of the fused operator -> whether its values are 0 and 1, not -1 and +1
COMPUTE_TYPES = {"float32": mstype.float32, "float16": mstype.float16, "bfloat16": mstype.bfloat16}


@dataclass(frozen=True)
class Arithmetic:
    """Configuration of a network's layers.

    binary_act: whether activations are one bit (step 1 and 2 of the training).
    binary_weight: whether weights are one bit as well (step 2).
    quantizer: class of QUANTIZERS.
    activation_gradient: straight-through estimator of the activations, a key of GRADIENTS.
    norm, activation, shortcut: makers of Cells, values of NORMS, ACTIVATIONS, SHORTCUTS.
    backend: value of BACKENDS.
    compute_type: type of the operands of convolutions. The cast follows binarization, so that it never changes a sign.
    sync_workers: number of workers whose images BatchNorm's statistics are taken over; 0 for those of this worker alone.
    """

    binary_act: bool
    binary_weight: bool
    quantizer: type
    activation_gradient: str
    norm: Callable
    activation: Callable
    shortcut: Callable
    backend: Backend
    compute_type: mstype.Type
    sync_workers: int

    @property
    def precision(self):
        """One of PRECISIONS."""
        return PRECISIONS[int(self.binary_act) + int(self.binary_weight)]

    @property
    def axis(self):
        """Channel axis of the feature maps."""
        return self.backend.axis

    @property
    def fuses_layers(self):
        """Whether one operator computes a whole binary layer. It knows the quantizer bimlp and unsynchronized norms only."""
        known = not self.binary_act or self.quantizer is QUANTIZERS["bimlp"]
        return self.backend.fused_global_fc is not None and known and not self.sync_workers

    def activation_quantizer(self, channels):
        """Cell from a layer's input x to x_b: RSign, BinarizeActivation, or the identity in fp32."""
        if not self.binary_act:
            return nn.Identity()
        binarize, maker, fused = self.quantizer.binarize, self.backend.fused_binarize, None
        if maker is not None and binarize in IS_ZERO_ONE:
            fused = maker(self.activation_gradient, IS_ZERO_ONE[binarize])
        cell = RSign if self.quantizer.rsign else BinarizeActivation
        return cell(channels, self.activation_gradient, self.axis, binarize, fused)


def make_arithmetic(
    precision="binary",
    activation_gradient="auto",
    backend="auto",
    compute_type="float32",
    quantizer="bimlp",
    norm="batch",
    activation="rprelu",
    shortcut="uni",
    sync_bn=False,
):
    """Arithmetic from the names of its parts. sync_bn: whether BatchNorm's statistics are those of all workers of the job.

    Raises ValueError for an unknown name, and for a gradient that the quantizer excludes.
    """
    check("precision", precision, PRECISIONS)
    check("quantizer", quantizer, QUANTIZERS)
    check("norm", norm, NORMS)
    check("activation", activation, ACTIVATIONS)
    check("shortcut", shortcut, SHORTCUTS)
    check("compute_type", compute_type, COMPUTE_TYPES)
    return Arithmetic(
        binary_act=precision != "fp32",
        binary_weight=precision == "binary",
        quantizer=QUANTIZERS[quantizer],
        activation_gradient=gradient_name(quantizer, activation_gradient),
        norm=NORMS[norm],
        activation=ACTIVATIONS[activation],
        shortcut=SHORTCUTS[shortcut],
        backend=choose_backend(backend, compute_type),
        compute_type=COMPUTE_TYPES[compute_type],
        sync_workers=_workers() if sync_bn else 0,
    )


def _workers():
    """Number of workers of the job; 1 without a job."""
    return communication.get_group_size() if communication.GlobalComm.INITED else 1


def check(argument, name, known):
    """Raises ValueError, naming the argument, unless `name` is in `known`."""
    if name not in known:
        raise ValueError(f"{argument}: expected one of {', '.join(known)}, got {name!r}")
