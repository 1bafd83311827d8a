"""ONNX files, translated from the graph of a MINDIR file and run by onnxruntime.

MindSpore's own two ONNX writers are not used: one writes the padding of convolutions in the wrong order, knows no
free batch size and lacks operations that the networks here need; the other fails on batch norms.
"""

import importlib.util

import numpy as np

from src.common.errors import InputError

from .mindir_graph import read_graph
from .onnx_ops import TRANSLATIONS, Constant, Result, Unsupported

OPSET = 17
IR_VERSION = 8  # the file format's version of that operator set
PACKAGES = ("onnx", "onnxruntime")
INPUT, OUTPUT, BATCH = "images", "logits", "batch"


def require_packages():
    """Raises InputError with pip's command when the packages that write and check ONNX files are not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"file_format ONNX: expected the packages {' and '.join(PACKAGES)}, which write and check the file; "
            f"{' and '.join(missing)} not installed: pip install 'onnx>=1.21' onnxruntime 'numpy<2'"
        )


def write_onnx(mindir_path, path):
    """Translate the network in a MINDIR file to an ONNX file.

    The input is "images", the output "logits", a free batch size the symbol "batch"; parameters keep their names.
    Returns the Cuts in it. Raises InputError for operations without a translation, all of them named.
    """
    import onnx

    writer = OnnxWriter(read_graph(mindir_path))
    model = writer.model()
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return tuple(writer.cuts.values())


class OnnxWriter:
    """Collects the nodes and numbers of one ONNX graph; the translations of onnx_ops call its methods."""

    def __init__(self, graph):
        self.graph = graph
        self.nodes = []
        self.cuts = {}
        self.initializers = {}
        self.shapes = {INPUT: graph.input_type.shape}
        self.values = {graph.input: Result(INPUT, graph.input_type.dtype)}
        for name, value in graph.constants.items():
            is_array = isinstance(value, np.ndarray)
            self.values[name] = (
                Constant(value, graph.parameters.get(name) or described(value)) if is_array else value
            )

    def model(self):
        """The whole file as an onnx.ModelProto."""
        import onnx
        from onnx import helper

        self._translate()
        result = self.values[self.graph.output]
        self.nodes.append(helper.make_node("Identity", [self.name(result)], [OUTPUT], name=OUTPUT))
        types = {INPUT: self.graph.input_type, OUTPUT: self.graph.output_type}
        infos = {name: self._info(name, kind) for name, kind in types.items()}
        arrays = [onnx.numpy_helper.from_array(array, name) for name, array in self.initializers.items()]
        graph = helper.make_graph(self.nodes, "network", [infos[INPUT]], [infos[OUTPUT]], arrays)
        opset = helper.make_operatorsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="bimlp")

    def _translate(self):
        refused = {}
        for node in self.graph.nodes:
            if node.op not in TRANSLATIONS:
                refused.setdefault(node.op, node.layer)
        if refused:
            listed = ", ".join(f"{op} (in {layer or 'the network'})" for op, layer in refused.items())
            raise InputError(
                f"file_format ONNX: no translation for the operations {listed}; MINDIR holds any"
            )
        for node in self.graph.nodes:
            args = [self.values[name] for name in node.inputs]
            try:
                self.values[node.output] = TRANSLATIONS[node.op](self, node, *args)
            except Unsupported as error:
                raise InputError(f"file_format ONNX: no translation for {error} (in {node.layer})") from error

    def _info(self, name, kind):
        from onnx import helper

        shape = [BATCH if size < 0 else size for size in kind.shape]
        return helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(kind.dtype)), shape
        )

    # --- what translations call ---

    def add(self, op, inputs, node, dtype=None, **attributes):
        """Append a node of the ONNX graph and return its Result; its type is `dtype` or that of `node`."""
        from onnx import helper

        name = f"{node.layer or 'network'}/{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        self.shapes[name] = node.type.shape if node.type else None
        return Result(name, dtype or node.type.dtype)

    def name(self, value, dtype=None):
        """The name of a value in the file; a Python number or tuple becomes a constant of that type."""
        if isinstance(value, Result):
            return value.name
        if not isinstance(value, Constant):
            array = np.asarray(value, dtype)
            value = Constant(array, described(array))
        name, count = value.name, 0
        while name in self.initializers and not _equal(self.initializers[name], value.array):
            count += 1
            name = f"{value.name}_{count}"
        self.initializers[name] = value.array
        return name

    def dtype(self, value):
        """The numpy type of a tensor."""
        return value.array.dtype.type if isinstance(value, Constant) else value.dtype

    def shape(self, value):
        """The shape of a tensor, -1 where it is free."""
        return value.array.shape if isinstance(value, Constant) else self.shapes[value.name]

    def cut(self, cut):
        """Note a Cut, once."""
        self.cuts.setdefault(cut.name, cut)

    def shaped(self, value, node):
        """The value, its shape noted as that of `node`: an item of a tuple has none yet."""
        if isinstance(value, Result):
            self.shapes[value.name] = node.type.shape
        return value

    def reshape(self, value, shape, node):
        """A tensor in another shape; 0 keeps the size of an axis."""
        if isinstance(value, Constant):
            return Constant(value.array.reshape(shape), value.name)
        return self.add("Reshape", [value.name, self.name(tuple(shape), np.int64)], node, dtype=value.dtype)

    def cast(self, value, dtype, node):
        """A tensor in another type."""
        from onnx import helper

        if isinstance(value, Constant):
            return Constant(value.array.astype(dtype), value.name)
        if value.dtype == dtype:
            return value
        return self.add("Cast", [value.name], node, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def described(array):
    """A name for numbers that have none: their type and, when they are few, themselves."""
    values = str(array.tolist()).replace(" ", "") if array.size <= 8 else "constant"
    return f"{array.dtype}:{values}"


def _equal(a, b):
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b))


def load_onnx(path):
    """The function images -> logits (float32 arrays) of an ONNX file, computed by onnxruntime on the CPU."""
    session = _session(str(path))
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]


def load_onnx_in_parts(path, cuts):
    """An ONNX file cut into parts: each computes from exact inputs, without the differences of earlier parts.

    Returns the function (images, cut_results) -> (logits, values): the arrays `cut_results` replace the cuts' results,
    and `values` are the cuts' values in the file.
    """
    import onnx
    from onnx import helper

    model = onnx.load(str(path))
    inputs = {cut.name: f"cut_results/{cut.name}" for cut in cuts}
    types = {cut.name: onnx.TensorProto.FLOAT if cut.op == "Phase" else onnx.TensorProto.BOOL for cut in cuts}
    for node in model.graph.node:
        node.input[:] = [inputs.get(name, name) for name in node.input]
    for name, input_name in inputs.items():
        model.graph.input.append(helper.make_tensor_value_info(input_name, types[name], None))
    for value in sorted({cut.value for cut in cuts}):
        model.graph.output.append(helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None))
    session = _session(model.SerializeToString())

    def run(images, cut_results):
        arrays = {inputs[cut.name]: array for cut, array in zip(cuts, cut_results)}
        logits, *values = session.run([OUTPUT, *(cut.value for cut in cuts)], {INPUT: images, **arrays})
        return logits, values

    return run


def _session(model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
