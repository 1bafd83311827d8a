#!/usr/bin/env python
"""How much of a binary network's accuracy hangs on rounding: python scripts/rounding.py --checkpoint CKPT --data_path FOLDER.

The network's graph in NumPy on the validation split, in float64 and in float32: right predictions, predictions and signs
that differ, and how far from the threshold the first sign that turns is, in standard deviations of its map. One turned sign
turns others behind it.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from src.commands.build import load_checkpoint, start_device, trained_network
from src.common.output import result
from src.data import create_dataset
from src.graph import trace
from src.graph.reference import values_of
from src.settings.command_line import config_beside, run


def first_turns(graph, single, double):
    """{image: (name of the layer, distance)} of the first sign of each image that differs between two lists of values."""
    found = {}
    for value, node in enumerate(graph.nodes, 1):
        if node.op != "binarize":
            continue
        x = double[node.inputs[0]]
        distance = np.abs(x - node.tensors["threshold"].reshape(1, -1, 1, 1)) / x.std()
        turned = single[value] != double[value]
        for image in np.flatnonzero(turned.any((1, 2, 3))):
            found.setdefault(int(image), (node.name, float(distance[image][turned[image]].max())))
    return found


def count(graph, batches):
    """Counter of images, right predictions in each type, and differences; distances of first turned signs by layer."""
    counts, distances = Counter(), {}
    for images, labels in batches:
        single, double = (values_of(graph, images, number) for number in (np.float32, np.float64))
        classes = [values[-1].reshape(len(images), -1).argmax(1) for values in (single, double)]
        turns = first_turns(graph, single, double)
        for name, distance in turns.values():
            distances.setdefault(name, []).append(distance)
        counts.update(
            images=len(labels),
            float64=int((classes[1] == labels).sum()),
            float32=int((classes[0] == labels).sum()),
            predictions=int((classes[0] != classes[1]).sum()),
            turned=len(turns),
        )
    return counts, distances


def main(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, metavar="FILE")
    parser.add_argument("--data_path", required=True, metavar="FOLDER")
    args = parser.parse_args(argv)
    config = config_beside(args.checkpoint, [f"data.path={args.data_path}", "model.backend=plain"])
    start_device(config)
    network = trained_network(config)
    load_checkpoint(network, args.checkpoint)
    graph = trace(network.set_train(False), config.data.image_size)
    counts, distances = count(graph, create_dataset(config, "val", 0, 1).epoch(0))
    result(f"right of {counts['images']}: {counts['float64']} in float64, {counts['float32']} in float32")
    result(f"images with a turned sign: {counts['turned']}; other predictions: {counts['predictions']}")
    for name, each in distances.items():
        result(
            f"{name}: the first of {len(each)} images, at most {max(each):.1e} deviations from the threshold"
        )
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
