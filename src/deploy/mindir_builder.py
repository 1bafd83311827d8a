"""MINDIR files of the first form, node by node.

The file is one protobuf message (mindspore.train.mind_ir_pb2.ModelProto). The first form, `mind_ir_version` 1, is read by
MindSpore 2.0 and later and by MindSpore Lite 2.0 and later: attributes belong to the primitive, inputs are values alone;
parameters are read without Load.
"""

from collections import Counter

import numpy as np
from mindspore.train.mind_ir_pb2 import AttributeProto, ModelProto, TensorProto

MIND_IR_VERSION = 1
INPUT, OUTPUT = "images", "logits"
ROOT = "Default"  # first part of the full name of every node
FREE = -1  # size of an axis of any size
TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.bool_): TensorProto.BOOL,
}


class MindirBuilder:
    """MINDIR file in the making.

    shapes: name of a tensor -> shape, FREE where any size fits. `layer` is the layer whose nodes and parameters are added:
    the first Conv2D of the layer "stem.conv" is "stem.conv/Conv2D", the second one "stem.conv/Conv2D_2"; so are
    its parameters, as "stem.conv.weight".
    """

    def __init__(self, shape, batch_size):
        self.batch = FREE if batch_size is None else batch_size
        self.message = ModelProto(
            ir_version="0.1.1",
            producer_name="bimlp",
            model_version="1",
            little_endian=True,
            mind_ir_version=MIND_IR_VERSION,
        )
        self.graph = self.message.graph
        self.graph.name = "network"
        self.shapes, self.layer, self.names, self.constants, self.primitives = {}, "", Counter(), {}, {}
        self.input(INPUT, shape)

    def input(self, name, shape):
        """Name of a further input of float32, of shape (B, *shape)."""
        value = self.graph.input.add(name=name)
        value.tensor.append(_tensor_type(self.batched(shape), np.float32))
        self.shapes[name] = self.batched(shape)
        return name

    def batched(self, shape):
        """Shape of a batch of maps (C, H, W)."""
        return (self.batch, *shape)

    def parameter(self, key, array):
        """Name of a parameter of the layer."""
        array = np.asarray(array)
        name = self._unused(f"{self.layer}.{key}")
        tensor = _tensor(array)
        tensor.name = tensor.ref_key = name
        self.graph.parameter.append(tensor)
        self.shapes[name] = array.shape
        return name

    def constant(self, value):
        """Name of a constant: an integer, a tuple of them, or an array. Equal ones are one."""
        is_array = isinstance(value, np.ndarray)
        key = (value.shape, value.dtype, value.tobytes()) if is_array else repr(value)
        if key not in self.constants:
            name = self.constants[key] = f"constant_{len(self.constants) + 1}"
            self.graph.node.append(_constant(name, value))
            self.shapes[name] = value.shape if is_array else ()
        return self.constants[key]

    def number(self, value):
        """Name of a float32 as a tensor of rank 4, for a sum or product with maps."""
        return self.constant(np.full((1, 1, 1, 1), value, np.float32))

    def node(self, primitive, *inputs, shape=None, dtype=np.float32, **attributes):
        """Name of the output of a new node. shape: of the output with the batch, or that of the first input."""
        shape = self.shapes[inputs[0]] if shape is None else shape
        node = self._node(primitive, inputs, attributes)
        node.attribute.add(name="shape", type=AttributeProto.TENSORS).tensors.append(
            _tensor_type(shape, dtype)
        )
        self.shapes[node.name] = shape
        return node.name

    def tuple(self, *inputs):
        """Name of a tuple of tensors of float32."""
        node = self._node("MakeTuple", inputs, {})
        kinds = node.attribute.add(name="shape", type=AttributeProto.TUPLE)
        kinds.seq_info.is_dyn_len = False
        for name in inputs:
            kind = kinds.values.add(type=AttributeProto.TENSORS)
            kind.tensors.append(_tensor_type(self.shapes[name], np.float32))
        return node.name

    def finish(self, output):
        """The message, of one output: a tensor of float32 or a tuple."""
        value = self.graph.output.add(name=output)
        value.tensor.append(_tensor_type(self.shapes.get(output, ()), np.float32))
        return self.message

    def _node(self, primitive, inputs, attributes):
        name = self._unused(f"{self.layer}/{primitive}")
        domain = "/".join([ROOT, *name.rpartition("/")[0].split("."), name.rpartition("/")[2]])
        node = self.graph.node.add(name=name, op_type=self._primitive(primitive, attributes), domain=domain)
        node.input.extend(inputs)
        node.output.append(name)
        return node

    def _primitive(self, primitive, attributes):
        """Reference to the primitive with these attributes; equal ones are one."""
        key = (primitive, repr(sorted(attributes.items())))
        if key not in self.primitives:
            name = self.primitives[key] = f"{primitive}:{len(self.primitives) + 1}"
            message = self.message.primitives.add(name=name, op_type=primitive)
            message.prim_type, message.instance_name = message.PRIMITIVE, ""
            for attribute, value in sorted(attributes.items()):
                _fill(message.attribute.add(name=attribute), value)
        return f"REF::{self.primitives[key]}"

    def _unused(self, name):
        """The name, with a number from the second time on."""
        self.names[name] += 1
        return name if self.names[name] == 1 else f"{name}_{self.names[name]}"


def _tensor_type(shape, dtype):
    return TensorProto(dims=shape, data_type=TYPES[np.dtype(dtype)])


def _tensor(array):
    tensor = _tensor_type(array.shape, array.dtype)
    tensor.raw_data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return tensor


def _constant(name, value):
    node = ModelProto().graph.node.add(name=name, op_type="Constant")
    node.output.append(name)
    attribute = node.attribute.add(name="value")
    if isinstance(value, np.ndarray):
        attribute.type = AttributeProto.TENSORS
        attribute.tensors.append(_tensor(value))
        attribute.tensors[0].name = "value0"
    else:
        _fill(attribute, value)
    return node


def _fill(attribute, value, inner=False):
    """Write a bool, integer, text, or tuple of them to an attribute. inner: as an item of a tuple."""
    if isinstance(value, tuple):
        attribute.type = AttributeProto.TUPLE
        for item in value:
            _fill(attribute.values.add(), item, inner=True)
    elif isinstance(value, str):
        attribute.type, attribute.s = AttributeProto.STRING, value.encode()
    else:
        attribute.type = AttributeProto.BOOL if isinstance(value, bool) else AttributeProto.INT64
        if inner:
            attribute.ints.append(int(value))
        else:
            attribute.i = int(value)
