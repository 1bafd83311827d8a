"""MINDIR files: written by MindSpore, loaded again and run compiled, as a deployed network is."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn
from mindspore.train.mind_ir_pb2 import ModelProto

from src.common.errors import InputError, first_line

from .modes import compiled


def write_by_framework(network, batch_size, image_size, path):
    """Write the network as it is to `path`, which ends in .mindir; equal input gives equal bytes in every process.

    batch_size: images per batch, or None for a free number. Raises InputError for a network that MindSpore
    cannot export so, or that is too large for one file.
    """
    shape = (batch_size, 3, image_size, image_size)
    images = (
        Tensor(shape=list(shape), dtype=ms.float32)
        if batch_size is None
        else Tensor(np.zeros(shape, np.float32))
    )
    with compiled():
        try:
            ms.export(network, images, file_name=str(path), file_format="MINDIR")
        except (RuntimeError, TypeError, ValueError) as error:
            free = "a free batch size" if batch_size is None else f"batches of {batch_size}"
            raise InputError(
                f"{type(network).__name__}: MindSpore cannot export it for {free} of {image_size} x {image_size} "
                f"images: {first_line(error)}"
            ) from error
    if not path.is_file():
        raise InputError(
            f"{path.name}: expected one file, got a graph with parameters of 1 GiB or more beside it"
        )
    _settle(path)


def _settle(path):
    """Rewrite a file without what differs from process to process: the time and an address in the name of the phase in
    which it was compiled, and the order of the table of primitives, which nodes refer to by name."""
    model = ModelProto.FromString(path.read_bytes())
    model.primitives.sort(key=lambda primitive: primitive.name)
    for attribute in model.graph.attribute:
        if attribute.name == "compile_phase":
            attribute.s = b"export.mindir"
    path.write_bytes(model.SerializeToString(deterministic=True))


def load_mindir(path):
    """The function inputs -> outputs (arrays; several outputs as a tuple) of a MINDIR file, compiled."""
    network = nn.GraphCell(ms.load(str(path)))

    def run(*inputs):
        with compiled():
            outputs = network(*map(Tensor, inputs))
        return tuple(y.asnumpy() for y in outputs) if isinstance(outputs, tuple) else outputs.asnumpy()

    return run
