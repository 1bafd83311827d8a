"""The worker that makes the files which the contenders of the engine's benchmark load, with this project's export."""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mindspore as ms
import numpy as np
from engine_cases import CLASSES, GAIN, MEAN, STD, clear_point, random_values
from mindspore import Tensor
from worker import serve

from src.checkpoint.file import save_checkpoint
from src.cost.count import cost_of
from src.deploy import write_packed
from src.deploy.onnx_writer import write_onnx
from src.graph import trace
from src.graph.simplify import simplify
from src.model import accepted_overrides, create_model, default_precision
from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.layout import NCHW
from src.model.layers.quantizers import QUANTIZERS
from src.model.networks import binary_densenet, meliusnet, quicknet, real_to_binary, released, xnornet

SEED = 1
BACKEND = "fast"  # quicker by far than plain, and nothing is compiled


class Files:
    """Each method is a request of a driver, engine.py or engine_table.py."""

    def version(self):
        ms.set_device("CPU")
        ms.set_context(mode=ms.GRAPH_MODE)
        return {"version": f"MindSpore {ms.__version__}"}

    def quantizers(self):
        """Names of all quantizers."""
        return {"names": list(QUANTIZERS)}

    def write(self, folder, name, network, overrides, image_size, onnx_batches):
        """<name>.ckpt, .npy (logits of the images in batches.npz), .packed, and _<batch>.onnx per batch.

        network, overrides: as in create_model. Returns precision, OPs and multiply-accumulates, bytes of the packed file, those
        that the costs count, and the seconds that all this took.
        """
        path, begin = Path(folder) / name, time.monotonic()
        images = np.load(Path(folder) / "batches.npz")["images"][0]
        cell = in_evaluation(network, overrides)
        fill(cell)
        calibrate(cell, images)
        cost = cost_of(cell, image_size, network)
        save_checkpoint(f"{path}.ckpt", cell)
        np.save(f"{path}.npy", eagerly(cell, images))
        pixels = {"image_size": image_size, "resize": image_size, "mean": MEAN, "std": STD}
        _, size = write_packed(cell, f"{path}.packed", variant=network, **pixels)
        if onnx_batches:
            graph = simplify(trace(cell, image_size))
            for batch in onnx_batches:
                write_onnx(graph, batch, path.with_name(f"{name}_{batch}.onnx"))
        macs = cost.totals()
        return {
            "precision": default_precision(network), "ops": macs["ops"], "binary_macs": macs["bops_macs"],
            "float_macs": macs["flops_macs"], "packed_bytes": size, "counted_bytes": cost.packed_bytes,
            "seconds": round(time.monotonic() - begin, 1),
        }  # fmt: skip


def in_evaluation(name, overrides):
    """A network in evaluation."""
    backend = {"backend": BACKEND} if "backend" in accepted_overrides(name) else {}
    return create_model(name, CLASSES, default_precision(name), **overrides, **backend).set_train(False)


def fill(network):
    """Random numbers for all parameters that are trained; see GAIN."""
    generator = np.random.default_rng(SEED)
    for parameter in network.get_parameters():
        values = random_values(parameter.name, parameter.shape, generator)
        if parameter.requires_grad:
            parameter.set_data(Tensor(values))
    for norm in norms_of_binary_layers(network):
        norm.gamma.set_data(norm.gamma * GAIN)


def norms_of_binary_layers(network):
    """Norms behind binary layers, beside a shortcut."""
    found = []
    for _, cell in network.cells_and_names():
        if isinstance(cell, ShortcutConv):
            found.append(cell.norm)
        elif isinstance(cell, released.SpatialBlock):
            found += [norm for norm in cell.cells() if isinstance(norm, released.BatchNorm)]
        elif isinstance(cell, released.BinaryMLP):
            found += [cell.norm1, cell.norm2]
        elif isinstance(cell, released.Block):
            found += [cell.norm_h, cell.norm_w]
        elif isinstance(cell, quicknet.Unit):
            found.append(cell.norm)
    return found


def norms_before_signs(network):
    """Pairs (norm, binary layer) where the layer takes the signs of what the norm gives, and no norm is behind it."""
    found = []
    for _, cell in network.cells_and_names():
        if isinstance(
            cell, (xnornet.PreActivationConv, real_to_binary.GatedUnit, binary_densenet.DenseLayer)
        ):
            found.append((cell.norm, cell.conv))
        elif isinstance(cell, meliusnet.DenseImprovement):
            found += [(cell.dense_norm, cell.dense_conv), (cell.improve_norm, cell.improve_conv)]
    return found


def calibrate(network, images):
    """Give every batch norm the statistics of what it gets from the images, one after another in one pass.

    Channels that vary less than the average keep its variance: their rounding would be magnified. A norm of
    norms_before_signs gets the shift that leaves all its values far from the step of the sign.
    """
    before_signs = {id(norm): layer for norm, layer in norms_before_signs(network)}

    def take(cell, inputs):
        x, channels = inputs[0].asnumpy(), getattr(cell, "axis", NCHW)
        others = tuple(axis for axis in range(x.ndim) if axis != channels)
        cell.moving_mean.set_data(Tensor(x.mean(others, dtype=np.float64).astype(np.float32)))
        variance = x.var(others, dtype=np.float64)
        variance = np.maximum(variance, variance.mean())
        cell.moving_variance.set_data(Tensor(variance.astype(np.float32)))
        if id(cell) in before_signs:
            points = clear_point(np.moveaxis(x, channels, 0).reshape(x.shape[channels], -1))
            factor = cell.gamma.asnumpy() / np.sqrt(variance + cell.eps)
            step = getattr(before_signs[id(cell)].rsign, "beta", None)
            shift = (0 if step is None else step.asnumpy()) - factor * (points - cell.moving_mean.asnumpy())
            cell.beta.set_data(Tensor(shift.astype(np.float32)))

    norms = [cell for _, cell in network.cells_and_names() if hasattr(cell, "moving_mean")]
    handles = [norm.register_forward_pre_hook(take) for norm in norms]
    eagerly(network, images)
    for handle in handles:
        handle.remove()


def eagerly(network, images):
    """A network's logits with nothing compiled, so that it can be exported afterwards."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        return network(Tensor(images)).asnumpy()
    finally:
        ms.set_context(mode=ms.GRAPH_MODE)


if __name__ == "__main__":
    serve(Files())
