"""Fused operators: C++ functions that MindSpore runs as custom operators, and the small tensors that they read.

The Cells without parameters that call them, each with its backward pass: binary_layers.py, real_layers.py, maps.py,
adamw.py. Feature maps are CNHW, (C, B, H, W). Each operator is defined in the C++ file of its name; tests compare it
with the Cells of the backend fast that it replaces. `saved` is a tensor for the backward pass.
"""

import numpy as np
from mindspore import Tensor, ops
from mindspore import dtype as mstype
from mindspore.ops import signature

from .library import library_path

# in the order of the enumerations of native/settings.h
PRECISIONS = ("fp32", "binary_act", "binary")
GRADIENTS = ("ste", "approx_sign", "clip_grad", "dorefa", "dsq", "swish_sign")
SCALES = ("mean", "mean_forward", "none")
NO_SHORTCUT, INPUT_SHORTCUT, OWN_SHORTCUT = range(3)


def operator(name, shapes, outputs, written=(), **attributes):
    """Operator of the C++ function `name` with float32 outputs.

    shapes: function from the inputs' shapes to the shape of the output, or to a tuple of `outputs` shapes.
    written: a bool per input, whether the function changes it in place; () for none.
    attributes: everything else that `shapes` depends on. MindSpore takes two operators for the same if their name,
    attributes and input shapes are equal.
    """
    types = mstype.float32 if outputs == 1 else (mstype.float32,) * outputs
    made = ops.Custom(f"{library_path()}:{name}", shapes, lambda *inputs: types, func_type="aot")
    for key, value in attributes.items():
        made.add_prim_attr(key, value)
    if written:
        read, write = signature.sig_rw.RW_READ, signature.sig_rw.RW_WRITE
        made.set_signatures(
            tuple(signature.make_sig(f"input{i}", write if each else read) for i, each in enumerate(written))
        )
        made.add_prim_attr("side_effect_mem", True)
    return made


def settings(precision, gradient, training, shortcut=INPUT_SHORTCUT, scale="mean"):
    """Settings of a fused layer as an int32 tensor, in the order of native/settings.h."""
    values = (
        PRECISIONS.index(precision),
        GRADIENTS.index(gradient),
        int(training),
        shortcut,
        SCALES.index(scale),
    )
    return Tensor(np.array(values, np.int32))


def convolved_shape(x, weight, stride, padding):
    """Shape (O, B, H', W') of a convolution's output. x: shape (C, B, H, W); padding: (height, width)."""
    sides = zip(x[2:], weight[2:], padding)
    return (weight[0], x[1], *((size + 2 * pad - kernel) // stride + 1 for size, kernel, pad in sides))


def window(weight, stride, padding):
    """Window of a convolution as an int32 tensor, in the order of native/grid.h."""
    return Tensor(np.array((*weight[2:], stride, *padding), np.int32))
