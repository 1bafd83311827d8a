"""ONNX files in ONNX Runtime: run as a whole, or cut into parts. Neither MindSpore nor a graph is needed."""

import importlib.util

from src.common.errors import InputError

from .onnx_writer import INPUT, OUTPUT

PACKAGES = ("onnx", "onnxruntime")
FATAL = 4  # the only log lines that are let through; errors come as exceptions


def require_packages(purpose):
    """Raises InputError, which begins with the purpose, with pip's command where packages for ONNX files are not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"{purpose}: expected the packages {' and '.join(PACKAGES)}, which read and run such a file; "
            f"{' and '.join(missing)} not installed: pip install 'onnx>=1.21' onnxruntime 'numpy<2'"
        )


def load_onnx(path):
    """The function images -> logits (float32 arrays) of an ONNX file."""
    session = session_of(str(path))
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]


def load_onnx_in_parts(path, names):
    """An ONNX file cut at the values of these names: whatever reads one of them reads a given array instead.

    Returns the function (images, arrays) -> (logits, values): the arrays that are given, and the file's own values.
    """
    import onnx
    from onnx import helper

    model, kind = onnx.load(str(path)), onnx.TensorProto.FLOAT
    given = {name: f"given/{name}" for name in names}
    for node in model.graph.node:
        node.input[:] = [given.get(name, name) for name in node.input]
    model.graph.input.extend(helper.make_tensor_value_info(name, kind, None) for name in given.values())
    model.graph.output.extend(helper.make_tensor_value_info(name, kind, None) for name in given)
    session = session_of(model.SerializeToString())

    def run(images, arrays):
        feeds = {INPUT: images, **dict(zip(given.values(), arrays))}
        logits, *values = session.run([OUTPUT, *given], feeds)
        return logits, values

    return run


def session_of(model, threads=0):
    """An InferenceSession on the CPU. model: a path or bytes; threads: 0 for as many as there are cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
