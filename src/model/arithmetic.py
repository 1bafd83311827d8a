"""How a network computes, one value handed to every Cell: precision, quantizer, parts, backend of its operations."""

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
}  # whether they are 0 and 1: what the operator for one-bit values knows
COMPUTE_TYPES = {"float32": mstype.float32, "float16": mstype.float16, "bfloat16": mstype.bfloat16}


@dataclass(frozen=True)
class Arithmetic:
    """binary_act: one-bit activations (step 1); binary_weight: one-bit weights as well (step 2).

    quantizer: row of QUANTIZERS; gradient: of the activations' sign, key of GRADIENTS; norm, activation,
    shortcut: makers of Cells, rows of NORMS, ACTIVATIONS and SHORTCUTS; backend: row of BACKENDS; compute_type: type of the
    operands of convolutions, cast after binarization so that it never decides a sign; sync_workers: over how many
    workers BatchNorm takes its statistics, 0 for each worker's own.
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
        """The name in PRECISIONS."""
        return PRECISIONS[int(self.binary_act) + int(self.binary_weight)]

    @property
    def axis(self):
        """The maps' channel axis."""
        return self.backend.axis

    @property
    def fuses_layers(self):
        """Whether an operator stands for a whole binary layer: the backend has one, and it knows the quantizer and the norm."""
        known = not self.binary_act or self.quantizer is QUANTIZERS["bimlp"]
        return self.backend.fused_global_fc is not None and known and not self.sync_workers

    def activation_quantizer(self, channels):
        """The Cell that gives a binary layer its input x_b: RSign, its like without a shift, or the identity."""
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
    """The Arithmetic of these names; sync_bn: BatchNorm's statistics are over the workers of the job, if there is one.
    Raises ValueError for an unknown one, or a gradient that a quantizer excludes."""
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
    """How many workers the job has; 1 without one."""
    return communication.get_group_size() if communication.GlobalComm.INITED else 1


def check(what, name, known):
    """Raises ValueError for a name that is not known."""
    if name not in known:
        raise ValueError(f"{what}: expected one of {', '.join(known)}, got {name!r}")
