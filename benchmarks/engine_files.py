"""The worker that makes the files which the contenders of the engine's benchmark load, with this project's export."""

import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mindspore as ms
import numpy as np
from engine_cases import CLASSES, GAIN, MEAN, STD, random_values
from mindspore import Tensor, nn
from worker import serve

from src.checkpoint.file import save_checkpoint
from src.commands.build import load_checkpoint
from src.cost.count import cost_of
from src.deploy import Feeding, export_network, unsupported_reason, write_packed
from src.model import accepted_overrides, create_model, default_precision
from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.layout import NCHW

SEED = 1


class Files:
    """Each method is a request of the driver, engine.py."""

    def version(self):
        ms.set_device("CPU")
        ms.set_context(mode=ms.GRAPH_MODE)
        return {"version": f"MindSpore {ms.__version__}"}

    def write(self, folder, network, image_size, onnx_batches):
        """<network>.ckpt, .npy (logits of the images in batches.npz), .packed of a BiMLP, and _<batch>.onnx per batch.

        Returns the network's multiply-accumulates and how each ONNX file was found to agree.
        """
        path = Path(folder) / network
        images = np.load(Path(folder) / "batches.npz")["images"][0]
        cell = plain(network)
        fill(cell)
        calibrate(cell, images)
        macs = cost_of(cell, image_size).totals()
        save_checkpoint(path.with_suffix(".ckpt"), cell)
        np.save(path.with_suffix(".npy"), eagerly(cell, images))
        if unsupported_reason(cell) is None:
            pixels = {"image_size": image_size, "resize": image_size, "mean": MEAN, "std": STD}
            write_packed(cell, path.with_suffix(".packed"), variant=network, **pixels)
        agreed = {}
        for batch in onnx_batches:
            cell = plain(network)  # an exported network is frozen
            load_checkpoint(cell, path.with_suffix(".ckpt"))
            feeding = Feeding(network, default_precision(network), image_size, image_size, MEAN, STD, CLASSES)
            exported = export_network(cell, "ONNX", batch, feeding, f"{path}_{batch}.onnx")
            agreed[batch] = str(exported.comparison)
        return {"binary_macs": macs["bops_macs"], "float_macs": macs["flops_macs"], "onnx": agreed}


def plain(name):
    """A network in evaluation, with the backend that exports take."""
    backend = {"backend": "plain"} if "backend" in accepted_overrides(name) else {}
    return create_model(name, CLASSES, default_precision(name), **backend).set_train(False)


def fill(network):
    """Random numbers for all parameters; see GAIN."""
    generator = np.random.default_rng(SEED)
    for parameter in network.get_parameters():
        parameter.set_data(Tensor(random_values(parameter.name, parameter.shape, generator)))
    for _, cell in network.cells_and_names():
        if isinstance(cell, ShortcutConv):
            cell.norm.gamma.set_data(cell.norm.gamma * GAIN)


def calibrate(network, images):
    """Give every batch norm the statistics of what it gets from the images, one after another in one pass.

    Channels that vary less than the average keep its variance: their rounding would be magnified.
    """

    def take(cell, inputs):
        x, channels = inputs[0].asnumpy(), getattr(cell, "axis", NCHW)
        others = tuple(axis for axis in range(x.ndim) if axis != channels)
        cell.moving_mean.set_data(Tensor(x.mean(others, dtype=np.float64).astype(np.float32)))
        variance = x.var(others, dtype=np.float64)
        variance = np.maximum(variance, variance.mean())
        cell.moving_variance.set_data(Tensor(variance.astype(np.float32)))

    norms = [cell for _, cell in network.cells_and_names() if isinstance(cell, nn.BatchNorm2d)]
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
