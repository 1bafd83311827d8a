#!/usr/bin/env python
"""Seconds of an all-reduce between CPU workers over loopback, verified before it is timed; see README.md.

msrun --worker_num=2 --local_worker_num=2 --bind_core=True --join=True --log_dir=output/msrun benchmarks/allreduce.py
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mindspore as ms
import numpy as np
from cases import positive
from mindspore import Parameter, Tensor, communication, nn, ops
from report import processor

from src.learn.parallel import Workers
from src.learn.step import AllReduceMean
from src.model import create_model

FIGURES = 3  # numbers: loss, hits and wishes to stop of a step


class Disagreement(Exception):
    """An all-reduce whose sums are wrong."""


def main(argv):
    """Prints a JSON line per way from rank 0; returns 1 where a sum is wrong."""
    options = parse(argv)
    ms.set_device("CPU")
    ms.set_context(mode=ms.GRAPH_MODE)
    communication.init()
    workers = Workers(communication.get_rank(), communication.get_group_size())
    network = create_model(options.model, 1000, "binary", backend="fast")
    shapes = [p.shape for p in network.trainable_params()]
    try:
        for record in measure(shapes, workers, options.repeats):
            if workers.first:
                machine = {"processor": processor(), "cores": os.cpu_count()}
                print(
                    json.dumps({"model": options.model, "workers": workers.size, **record, **machine}),
                    flush=True,
                )
    except Disagreement as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bimlp_s", help="whose gradients (default %(default)s)")
    parser.add_argument("--repeats", type=positive, default=9, help="timed ones (default %(default)s)")
    return parser.parse_args(argv)


class Each(nn.Cell):
    """(figures, gradients) with each gradient summed by an all-reduce of its own."""

    def __init__(self):
        super().__init__()
        self.sum, self.map = ops.AllReduce(ops.ReduceOp.SUM), ops.HyperMap()

    def construct(self, figures, gradients):
        return figures, self.map(self.sum, gradients)


def measure(shapes, workers, repeats):
    """Yield a record for the figures alone, for all as one tensor as the step does it, and for each gradient by itself."""
    weights = [Parameter(Tensor(np.zeros(s, np.float32)), name=f"w{i}") for i, s in enumerate(shapes)]
    share = np.float32(1 / workers.size)
    ways = {
        "figures alone": (AllReduceMean([], workers), [], share),
        "one tensor, as in the step": (AllReduceMean(weights, workers), shapes, share),
        "each gradient by itself": (Each(), shapes, np.float32(1)),
    }
    for way, (reduce, given, factor) in ways.items():
        # whole numbers that differ from place to place and from rank to rank: their sums are exact
        base = [np.arange(np.prod(s), dtype=np.int64).reshape(s) % 1021 for s in [(FIGURES,), *given]]
        figures, *gradients = (Tensor(((workers.rank + 1) * values).astype(np.float32)) for values in base)
        total = workers.size * (workers.size + 1) // 2
        sums = [(total * values).astype(np.float32) * factor for values in base]
        sums[0] = figures.asnumpy() if isinstance(reduce, Each) else total * base[0] * [share, 1, 1]
        reduced, summed = reduce(figures, tuple(gradients))
        for found, expected in zip((reduced, *summed), sums, strict=True):
            if not np.array_equal(found.asnumpy(), expected.astype(np.float32)):
                raise Disagreement(
                    f"{way}, {workers.size} workers: the sum of a tensor {found.shape} is wrong"
                )
        seconds = [once(reduce, figures, tuple(gradients)) for _ in range(repeats)]
        lower, median, upper = statistics.quantiles(seconds, n=4) if repeats > 1 else seconds * 3
        count = sum(values.size for values in base)
        yield {
            "way": way, "tensors": len(given), "bytes": 4 * count, "median_ms": 1e3 * median,
            "lower_ms": 1e3 * lower, "upper_ms": 1e3 * upper,
            "sent_gigabytes_per_second": 2 * (workers.size - 1) / workers.size * 4e-9 * count / median,
        }  # fmt: skip


def once(reduce, figures, gradients):
    """Seconds from the moment at which all workers are there until this one has all sums."""
    ops.AllReduce()(Tensor(np.zeros(1, np.float32))).asnumpy()
    start = time.perf_counter()
    figures, gradients = reduce(figures, gradients)
    for tensor in (figures, *gradients):
        tensor.asnumpy()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
