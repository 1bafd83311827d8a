"""Fused operators for training and evaluation on a CPU: C++ (native/) and Cells without parameters that call it.

MindSpore runs them through its custom-operator interface. Exported files do not contain them.
"""

from .adamw import FusedAdamW
from .binary_layers import (
    FusedAffineSign,
    FusedBinarizeActivation,
    FusedBinaryConv,
    FusedBinaryConvAdd,
    FusedGlobalFC,
    FusedLocalFC,
)
from .library import BuildError, available, library_path
from .maps import (
    FusedFanOut,
    FusedMaxPool,
    FusedMeanOfSum,
    FusedMultiMaxPool,
    FusedPad,
    FusedScalarMerge,
    FusedSoftmaxMerge,
    FusedWave,
)
from .operator import GRADIENTS, INPUT_SHORTCUT, NO_SHORTCUT
from .real_layers import FusedConv, FusedDense, FusedNorm, FusedRPReLU, FusedScale, FusedTwoSlope

__all__ = [
    "GRADIENTS",
    "INPUT_SHORTCUT",
    "NO_SHORTCUT",
    "BuildError",
    "FusedAdamW",
    "FusedAffineSign",
    "FusedBinaryConv",
    "FusedBinaryConvAdd",
    "FusedConv",
    "FusedDense",
    "FusedFanOut",
    "FusedGlobalFC",
    "FusedLocalFC",
    "FusedMaxPool",
    "FusedMeanOfSum",
    "FusedMultiMaxPool",
    "FusedNorm",
    "FusedPad",
    "FusedBinarizeActivation",
    "FusedRPReLU",
    "FusedScalarMerge",
    "FusedScale",
    "FusedSoftmaxMerge",
    "FusedTwoSlope",
    "FusedWave",
    "available",
    "library_path",
]
