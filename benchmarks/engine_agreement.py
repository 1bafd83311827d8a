#!/usr/bin/env python
"""Accuracy of the engine on a trained network: python benchmarks/engine_agreement.py --checkpoint CKPT [--json].

On the validation split of the checkpoint's run: top-1 in MindSpore and in the engine, the share of images with the same most
likely class, and the largest difference of a logit.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from mindspore import Tensor

from src.commands.build import load_checkpoint, start_device, trained_network
from src.data import create_dataset
from src.data.transform import shorter_side
from src.deploy import write_packed
from src.engine import Engine
from src.learn.step import Predict
from src.settings.command_line import config_beside, run


def packed_file(network, config, folder):
    """Path of the network's packed file in a folder."""
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
    return path


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


def main(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    args = parser.parse_args(argv)
    config = config_beside(args.checkpoint)
    start_device(config)
    network = trained_network(config)
    load_checkpoint(network, args.checkpoint)
    data = create_dataset(config, "val", 0, 1)
    with tempfile.TemporaryDirectory() as folder, Engine.load(packed_file(network, config, folder)) as engine:
        found = agreement(network, engine, data.epoch(0))
        found["instruction_set"] = engine.description["instruction_set"]
    if args.json:
        print(json.dumps(found))
        return 0
    for key, value in found.items():
        print(f"{key:20}{value}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
