#!/usr/bin/env python
"""MINDIR files of untrained networks with the statistics of random images, for scripts/run_lite_check.sh.

usage:  python benchmarks/lite_files.py FOLDER    # then: bash scripts/run_lite_check.sh FOLDER/*.mindir
expect: a JSON line per network: file, operations, bytes. Half a minute each.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from engine_cases import CLASSES
from engine_files import MEAN, STD, calibrate, fill

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.deploy import Feeding, export_network  # noqa: E402
from src.deploy.operations import operations_of  # noqa: E402
from src.model import accepted_overrides, create_model, default_precision  # noqa: E402

NETWORKS = (  # name, overrides, image size
    ("bimlp_s", {}, 224),
    ("bimlp_m", {}, 224),
    ("wave_mlp_t", {}, 224),
    ("bimlp_s", {"norm": "layer"}, 224),
    ("released_bimlp_s", {}, 224),
    ("released_bimlp_m", {}, 224),
)
IMAGES = 4


def main(argv):
    """Returns the exit code 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(f"unknown flag {unknown[0]}")
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, overrides, size in NETWORKS:
        print(json.dumps(export(folder, name, overrides, size)), flush=True)
    return 0


def export(folder, name, overrides, size):
    """Record of the file that is written for a network: dict."""
    random = np.random.default_rng(0)
    images = random.random((IMAGES, 3, size, size), np.float32) * 2 - 1
    cell = create_model(name, CLASSES, default_precision(name), **overrides, **plain(name)).set_train(False)
    fill(cell)
    calibrate(cell, images)
    feeding = Feeding(name, default_precision(name), size, size, MEAN, STD, CLASSES)
    path = folder / f"{'-'.join((name, *overrides.values()))}.mindir"
    exported = export_network(cell, "MINDIR", 1, feeding, path)
    return {
        "file": path.name, "operations": operations_of(path).total(), "bytes": exported.size,
        "largest_difference": str(exported.comparison), "primitives": dict(sorted(operations_of(path).items())),
    }  # fmt: skip


def plain(name):
    """Overrides that choose the backend of exported networks, where a network has the choice."""
    return {"backend": "plain"} if "backend" in accepted_overrides(name) else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
