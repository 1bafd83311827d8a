"""Backends: three implementations of the operations that MindSpore's CPU kernels run 20 to 200 times too slowly.

plain  MindSpore's convolutions, cos and sin on NCHW feature maps; exported files hold these
fast   the same with matrix products and polynomials on CNHW feature maps
fused  C++ operators of src/operators for whole layers, on CNHW feature maps

BACKENDS is the table, `choose_backend` the choice.
"""

import mindspore as ms

from src import operators

from .fast import FAST
from .fused import FUSED
from .plain import PLAIN

BACKENDS = {"plain": PLAIN, "fast": FAST, "fused": FUSED}


def choose_backend(name, compute_type="float32"):
    """Backend by name. "auto" is plain on Ascend and GPU; on a CPU it is fused if available, else fast.

    fused needs float32, a C++ compiler and graph mode. In PyNative mode MindSpore confuses the gradients of operators
    with several outputs.
    Raises ValueError for an unknown name, and for fused where it is not available.
    """
    on_cpu = ms.get_context("device_target") == "CPU"
    if name == "auto" and not on_cpu:
        name = "plain"
    elif name == "auto":
        graph = ms.get_context("mode") == ms.GRAPH_MODE
        name = "fused" if graph and compute_type == "float32" and operators.available() else "fast"
    if name not in BACKENDS:
        raise ValueError(f"backend: expected auto or one of {', '.join(BACKENDS)}, got {name!r}")
    if name == "fused":
        if compute_type != "float32" or not on_cpu:
            raise ValueError(
                f"backend fused: expected device CPU and compute_type float32, got {ms.get_context('device_target')} "
                f"and {compute_type}"
            )
        try:
            operators.library_path()
        except operators.BuildError as error:
            raise ValueError(f"backend fused: {error}") from error
    return BACKENDS[name]
