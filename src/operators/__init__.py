"""Fused operators for training and evaluation on a CPU: C++ (native/) and Cells without parameters that call it.

MindSpore runs them through its custom-operator interface. Exported files do not contain them.
"""

from .cells import (
    GRADIENTS,
    INPUT_SHORTCUT,
    NO_SHORTCUT,
    FusedAdamW,
    FusedBinarizeActivation,
    FusedBinaryConv,
    FusedBinaryConvAdd,
    FusedConv,
    FusedDense,
    FusedFanOut,
    FusedGlobalFC,
    FusedLocalFC,
    FusedMaxPool,
    FusedMeanOfSum,
    FusedMultiMaxPool,
    FusedNorm,
    FusedPad,
    FusedRPReLU,
    FusedScalarMerge,
    FusedSoftmaxMerge,
    FusedWave,
)
from .library import BuildError, available, library_path

__all__ = [
    "GRADIENTS",
    "INPUT_SHORTCUT",
    "NO_SHORTCUT",
    "BuildError",
    "FusedAdamW",
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
    "FusedSoftmaxMerge",
    "FusedWave",
    "available",
    "library_path",
]
