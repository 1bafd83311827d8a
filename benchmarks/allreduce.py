#!/usr/bin/env python
"""Seconds of an all-reduce between CPU workers over loopback, verified before it is timed; see README.md.

msrun --worker_num=2 --local_worker_num=2 --join=True --log_dir=output/msrun benchmarks/allreduce.py
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
from mindspore import Parameter, ParameterTuple, Tensor, communication, nn, ops
from report import processor

from src.model import create_model

TINY = 2  # numbers: loss and hits of a step


class Disagreement(Exception):
    """An all-reduce whose sums are wrong."""


def main(argv):
    """Prints a JSON line per way from rank 0; returns 1 where a sum is wrong."""
    options = parse(argv)
    ms.set_device("CPU")
    ms.set_context(mode=ms.GRAPH_MODE)
    communication.init()
    rank, size = communication.get_rank(), communication.get_group_size()
    network = create_model(options.model, 1000, "binary", form="fast")
    shapes = [p.shape for p in network.trainable_params()]
    try:
        for record in measure(shapes, rank, size, options.repeats):
            if rank == 0:
                machine = {"processor": processor(), "cores": os.cpu_count()}
                print(json.dumps({"model": options.model, "workers": size, **record, **machine}), flush=True)
    except Disagreement as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bimlp_s", help="whose gradients (default %(default)s)")
    parser.add_argument("--repeats", type=positive, default=9, help="timed ones (default %(default)s)")
    return parser.parse_args(argv)


class Reduce(nn.Cell):
    """A list of tensors, each summed over the workers, as src/learn/step.py reduces gradients."""

    def __init__(self, shapes, size):
        super().__init__()
        weights = [Parameter(Tensor(np.zeros(s, np.float32)), name=f"w{i}") for i, s in enumerate(shapes)]
        self.reduce = nn.DistributedGradReducer(ParameterTuple(weights), mean=False, degree=size)

    def construct(self, tensors):
        return self.reduce(tensors)


def measure(shapes, rank, size, repeats):
    """Yield a record for two numbers, for all gradients as one tensor, and for each gradient by itself."""
    total = sum(int(np.prod(shape)) for shape in shapes)
    ways = {"loss and hits": [(TINY,)], "one tensor": [(total,)], "each gradient by itself": shapes}
    for way, given in ways.items():
        given = [tuple(shape) for shape in given]
        # whole numbers that differ from place to place and from rank to rank: their sums are exact
        base = [np.arange(np.prod(shape), dtype=np.int64).reshape(shape) % 1021 for shape in given]
        mine = tuple(Tensor(((rank + 1) * values).astype(np.float32)) for values in base)
        reduce = Reduce(given, size)
        for found, values in zip(reduce(mine), base):
            if not np.array_equal(found.asnumpy(), (size * (size + 1) // 2 * values).astype(np.float32)):
                raise Disagreement(f"{way}, {size} workers: the sum of a tensor {values.shape} is wrong")
        seconds = [once(reduce, mine) for _ in range(repeats)]
        lower, median, upper = statistics.quantiles(seconds, n=4) if repeats > 1 else seconds * 3
        count = sum(values.size for values in base)
        yield {
            "way": way, "tensors": len(given), "bytes": 4 * count, "median_ms": 1e3 * median,
            "lower_ms": 1e3 * lower, "upper_ms": 1e3 * upper,
            "sent_gigabytes_per_second": 2 * (size - 1) / size * 4e-9 * count / median,
        }  # fmt: skip


def once(reduce, tensors):
    """Seconds from the moment at which all workers are there until this one has all sums."""
    ops.AllReduce()(Tensor(np.zeros(1, np.float32))).asnumpy()
    start = time.perf_counter()
    for tensor in reduce(tensors):
        tensor.asnumpy()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
