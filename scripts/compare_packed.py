#!/usr/bin/env python
"""A checkpoint in MindSpore beside its packed file in the engine: python scripts/compare_packed.py CKPT PACKED.

Bytes on disk; milliseconds per image (the median of 50 runs with one image, on one thread in the engine, on as many as it
takes in MindSpore); top-1 on the validation split.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from src.common.errors import InputError
from src.common.output import result
from src.settings.command_line import run

ROOT = Path(__file__).resolve().parent.parent
RUNS = 50


def milliseconds(call):
    """Of a call, the median after one that is not counted."""
    call()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * median(times)


def top1(path):
    """As eval.py finds it."""
    command = [sys.executable, ROOT / "eval.py", "--checkpoint", path, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)["top1"]


def times_of(checkpoint, packed):
    """(MindSpore's, the engine's) milliseconds for one image."""
    import numpy as np
    from mindspore import Tensor

    from src.commands.build import load_checkpoint, start_device, trained_network
    from src.engine import Engine
    from src.learn.step import Predict
    from src.settings.command_line import config_beside

    config = config_beside(checkpoint)
    start_device(config)
    network = trained_network(config)
    load_checkpoint(network, checkpoint)
    predict = Predict(network)
    size = config.data.image_size
    image = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    tensor = Tensor(image)
    with Engine.load(packed) as engine:
        return milliseconds(lambda: predict(tensor).asnumpy()), milliseconds(lambda: engine.logits(image))


def main(argv):
    if len(argv) != 2:
        raise InputError("compare_packed.py: expected a checkpoint and its packed file")
    checkpoint, packed = argv
    result(f"{'':22}{'bytes':>12}{'ms per image':>14}{'top-1':>9}")
    rows = zip(
        ("checkpoint, MindSpore", "packed, engine"), (checkpoint, packed), times_of(checkpoint, packed)
    )
    for name, path, ms in rows:
        result(f"{name:22}{Path(path).stat().st_size:>12,}{ms:>14.3f}{top1(path):>9.4f}")


if __name__ == "__main__":
    sys.exit(run(main))
