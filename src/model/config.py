"""Configuration of the layers of one network: quantization, norm, activation, shortcut, backend.

Every Cell of a network takes the same LayerConfig.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mindspore import communication
from mindspore import dtype as mstype

from .backends import choose_backend
from .backends.backend import Backend
from .layers.activations import ACTIVATIONS
from .layers.norms import EPS, NORMS
from .layers.quantizers import QUANTIZERS, gradient_name, threshold_of
from .layers.shortcuts import SHORTCUTS
from .variant import PRECISIONS, check

COMPUTE_TYPES = {"float32": mstype.float32, "float16": mstype.float16, "bfloat16": mstype.bfloat16}


@dataclass(frozen=True)
class Quantization:
    """Quantization of the binary layers.

    precision: one of PRECISIONS. quantizer: class of QUANTIZERS.
    gradient: straight-through estimator of the activations, a key of GRADIENTS.
    threshold: t of the activations' sign(x - t), where nothing is learned.
    """

    precision: str
    quantizer: type
    gradient: str
    threshold: float = 0.0

    @property
    def binary_activation(self):
        """Whether activations are one bit (step 1 and 2 of the training)."""
        return self.precision != "fp32"

    @property
    def binary_weight(self):
        """Whether weights are one bit as well (step 2)."""
        return self.precision == "binary"


@dataclass(frozen=True)
class LayerConfig:
    """Configuration of a network's layers.

    norm, activation, shortcut: makers of Cells, values of NORMS, ACTIVATIONS, SHORTCUTS.
    backend: value of BACKENDS.
    compute_type: type of the operands of convolutions.
    sync_workers: number of workers whose images BatchNorm's statistics are taken over; 0 for those of this worker alone.
    groups: groups of the Channel Binary FCs. norm_eps: eps of BatchNorm. same_padding: whether windows are TensorFlow's, the
        smaller half of the padding before. All three are a network's own options.
    """

    quantization: Quantization
    norm: Callable
    activation: Callable
    shortcut: Callable
    backend: Backend
    compute_type: mstype.Type
    sync_workers: int
    groups: int = 1
    norm_eps: float = EPS
    same_padding: bool = False

    @property
    def axis(self):
        """Channel axis of the feature maps."""
        return self.backend.axis


def layer_config(
    precision="binary",
    activation_gradient="auto",
    backend="auto",
    compute_type="float32",
    quantizer="bimlp",
    norm="batch",
    activation="rprelu",
    shortcut="uni",
    sync_bn=False,
    activation_threshold="auto",
):
    """LayerConfig from the names of its parts. sync_bn: whether BatchNorm's statistics are those of all workers of the job.
    activation_threshold: t of UAD-BNN, or "auto".

    Raises ValueError for an unknown name, and for a gradient or a threshold that the quantizer excludes.
    """
    check("precision", precision, PRECISIONS)
    check("quantizer", quantizer, QUANTIZERS)
    check("norm", norm, NORMS)
    check("activation", activation, ACTIVATIONS)
    check("shortcut", shortcut, SHORTCUTS)
    check("compute_type", compute_type, COMPUTE_TYPES)
    return LayerConfig(
        quantization=Quantization(
            precision,
            QUANTIZERS[quantizer],
            gradient_name(quantizer, activation_gradient),
            threshold_of(quantizer, activation_threshold),
        ),
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
