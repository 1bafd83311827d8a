"""Fused operators for training and evaluation on a CPU: C++ (native/) behind Cells that hold no parameter.

MindSpore's own custom-operator interface runs them; they never enter an exported file.
"""

from .cells import (
    FusedAdamW,
    FusedBinarizeActivation,
    FusedDense,
    FusedFanOut,
    FusedGlobalFC,
    FusedLocalFC,
    FusedMaxPool,
    FusedMeanOfSum,
    FusedNorm,
    FusedRPReLU,
    FusedScalarMerge,
    FusedSoftmaxMerge,
    FusedWave,
)
from .library import BuildError, available, library_path

__all__ = [
    "BuildError",
    "FusedAdamW",
    "FusedDense",
    "FusedFanOut",
    "FusedGlobalFC",
    "FusedLocalFC",
    "FusedMaxPool",
    "FusedMeanOfSum",
    "FusedNorm",
    "FusedBinarizeActivation",
    "FusedRPReLU",
    "FusedScalarMerge",
    "FusedSoftmaxMerge",
    "FusedWave",
    "available",
    "library_path",
]
