#!/usr/bin/env python
"""Accuracy of the engine on a trained network: python benchmarks/engine_agreement.py --checkpoint CKPT [--json].

On the validation split of the checkpoint's run: top-1 in MindSpore and in the engine, the share of images with the same most
likely class, and the largest difference of a logit. On the first --traced images, for every binary layer of a whole run: the
share of sign bits that differ from the framework's.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.commands.build import load_checkpoint, start_device, trained_network
from src.data import create_dataset
from src.data.transform import shorter_side
from src.deploy import write_packed
from src.deploy.packed_file import decode
from src.deploy.packed_layout import layout
from src.engine import Engine
from src.engine.inspect import trace
from src.learn.step import Predict
from src.settings.command_line import config_beside, run


def packed_file(network, config, folder):
    """The network's packed file in a folder, and the names of its binary layers in its order."""
    path = Path(folder) / "network.packed"
    data = config.data
    write_packed(
        network,
        path,
        variant=config.model.name,
        image_size=data.image_size,
        resize=shorter_side(data),
        mean=data.mean,
        std=data.std,
        class_names=data.class_names,
    )
    description, _ = decode(path.read_bytes())
    names = [entry.name.removesuffix(".weight") for entry in layout(description) if entry.bits]
    return path, names


def agreement(network, engine, batches):
    """Figures on (images, labels) batches: counts as a dict."""
    predict = Predict(network)
    total = same = ours = theirs = 0
    largest = 0.0
    for images, labels in batches:
        expected, found = predict(Tensor(images)).asnumpy(), engine.logits(images)
        total += len(labels)
        same += int((expected.argmax(1) == found.argmax(1)).sum())
        theirs += int((expected.argmax(1) == labels).sum())
        ours += int((found.argmax(1) == labels).sum())
        largest = max(largest, float(np.abs(expected - found).max()))
    return {
        "images": total,
        "same_class": same / total,
        "top1_mindspore": theirs / total,
        "top1_engine": ours / total,
        "largest_difference": largest,
        "largest_logit": float(np.abs(expected).max()),
    }


def differing_bits(network, engine, names, images):
    """name -> share of sign bits that differ, over the images; the network with the plain backend, run eagerly."""
    cells, seen = dict(network.cells_and_names()), {}
    wrong, total = dict.fromkeys(names, 0), dict.fromkeys(names, 0)

    def note(name):
        def hook(cell, inputs, output):
            seen[name] = output.asnumpy()[0].transpose(1, 2, 0) > 0

        return hook

    for name in names:
        cells[name].fc.rsign.register_forward_hook(note(name))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    for image in images:
        network(Tensor(image[None]))
        for name, bits in zip(names, trace(engine, image)[0]):
            wrong[name] += int((bits != seen[name].reshape(bits.shape)).sum())
            total[name] += bits.size
    return {name: wrong[name] / total[name] for name in names}


def main(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, metavar="FILE")
    parser.add_argument(
        "--traced", type=int, default=50, metavar="N", help="images whose bits are compared (50)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    args = parser.parse_args(argv)
    config = config_beside(args.checkpoint)
    start_device(config)
    network, plain = (trained_network(config, backend=backend) for backend in (None, "plain"))
    for one in (network, plain):
        load_checkpoint(one, args.checkpoint)
    data = create_dataset(config, "val", 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        path, names = packed_file(plain, config, folder)
        with Engine.load(path) as engine:
            batches = list(data.epoch(0))
            found = agreement(network, engine, batches)
            found["bits"] = differing_bits(plain, engine, names, batches[0][0][: args.traced])
            found["instruction_set"] = engine.description["instruction_set"]
    if args.json:
        print(json.dumps(found))
        return 0
    for key, value in found.items():
        if key != "bits":
            print(f"{key:20}{value}")
    for name, share in found["bits"].items():
        print(f"{share:12.2e}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
