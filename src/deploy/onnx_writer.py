"""ONNX files, written from a graph (src/graph).

The input is "images" (B, 3, S, S), the output "logits" (B, K); a free B is the symbol "batch". Nodes and values are named by
their layer in the network and their ONNX operation, as "stages.0.0.norm/Mul", and tensors by layer and meaning, as
"head.weight"; a name that repeats gets a number.
"""

from collections import Counter

import numpy as np

from .onnx_lowerings import LOWERINGS

OPSET = 17
IR_VERSION = 8  # the file format's version of that operator set
INPUT, OUTPUT, BATCH = "images", "logits", "batch"


def write_onnx(graph, batch_size, path):
    """Write a graph to an ONNX file; equal input gives equal bytes.

    batch_size: images per batch, or None for a free number. Returns the names of the graph's values in the file, in their order.
    """
    writer = OnnxWriter(graph)
    model = writer.model(batch_size)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return tuple(writer.values)


class OnnxWriter:
    """An ONNX graph in the making; the lowerings call `add`, `tensor`, `integers` and `number`."""

    FLOAT = 1  # onnx.TensorProto.FLOAT

    def __init__(self, graph):
        self.graph, self.layer = graph, ""
        self.nodes, self.initializers = [], {}
        self.values, self.counts = [INPUT], Counter()

    def model(self, batch_size):
        """The whole file as an onnx.ModelProto, checked."""
        import onnx
        from onnx import helper

        for node in self.graph.nodes:
            self.layer = node.name or "network"
            inputs = [self.values[value] for value in node.inputs]
            self.values.append(LOWERINGS[node.op](self, node, *inputs))
        self.nodes.append(helper.make_node("Flatten", [self.values[-1]], [OUTPUT], name=OUTPUT, axis=1))
        batch, classes = BATCH if batch_size is None else batch_size, self.graph.nodes[-1].shape[0]
        shapes = {INPUT: [batch, *self.graph.shape], OUTPUT: [batch, classes]}
        infos = [[helper.make_tensor_value_info(name, self.FLOAT, shape)] for name, shape in shapes.items()]
        arrays = [onnx.numpy_helper.from_array(array, name) for name, array in self.initializers.items()]
        graph = helper.make_graph(self.nodes, "network", *infos, arrays)
        opset = helper.make_operatorsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="bimlp")
        onnx.checker.check_model(model)
        return model

    # --- for the lowerings ---

    def add(self, op, inputs, **attributes):
        """The name of the value that a new ONNX node makes, which is the node's as well."""
        from onnx import helper

        name = self._numbered(f"{self.layer}/{op}")
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def tensor(self, meaning, array):
        """The name of numbers of the layer; the same numbers under one name are stored once."""
        return self._stored(f"{self.layer}.{meaning}", array)

    def integers(self, meaning, values):
        """The name of whole numbers of the layer: sizes, bounds, places."""
        return self.tensor(meaning, np.array(values, np.int64))

    def number(self, value):
        """The name of a number that layers share."""
        return self._stored(f"number/{value:.9g}", np.array(value, np.float32))

    def _stored(self, name, array):
        found, count = name, 1
        while found in self.initializers:
            if _equal(self.initializers[found], array):
                return found
            count += 1
            found = f"{name}_{count}"
        self.initializers[found] = array
        return found

    def _numbered(self, name):
        self.counts[name] += 1
        return name if self.counts[name] == 1 else f"{name}_{self.counts[name]}"


def _equal(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
