"""Changing parameters after compiled functions have used them.

Parameter.set_data, copy_ and ops.assign outside of a graph do not reach the memory that a jitted
function has taken for the parameter: the two go apart silently. An assignment inside a jitted function
does, and asnumpy sees it as well.
"""

import mindspore as ms
from mindspore import ParameterTuple, ops

_assign = ops.MultitypeFuncGraph("assign")


@_assign.register("Tensor", "Tensor")
def _assign_one(parameter, value):
    return ops.assign(parameter, value)


def make_assign(parameters):
    """The function that sets these parameters, in place, to a list of as many tensors."""
    targets = ParameterTuple(parameters)

    @ms.jit
    def assign(values):
        return ops.HyperMap()(_assign, targets, values)

    def assign_all(values):
        assign(ms.mutable(tuple(values)))

    return assign_all
