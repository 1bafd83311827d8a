"""Operations that an exported file holds, counted."""

from collections import Counter
from pathlib import Path

from src.common.files import ONNX_SUFFIX, read_file


def operations_of(path):
    """How often a .onnx or .mindir file of export.py uses each operation or primitive: Counter, constants left out."""
    if Path(path).suffix == ONNX_SUFFIX:
        from onnx import ModelProto

        return Counter(node.op_type for node in ModelProto.FromString(read_file(path)).graph.node)
    from mindspore.train.mind_ir_pb2 import ModelProto

    model = ModelProto.FromString(read_file(path))
    kinds = {f"REF::{primitive.name}": primitive.op_type for primitive in model.primitives}
    return Counter(kinds[node.op_type] for node in model.graph.node if node.op_type != "Constant")
