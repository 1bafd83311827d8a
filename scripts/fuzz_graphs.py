#!/usr/bin/env python
"""Random graphs in the engine against NumPy.

usage:  python scripts/fuzz_graphs.py [--shrink] COUNT SEED
        COUNT graphs from SEED on; with --shrink the smallest graph that still differs of each that does
expect: exit 0, graphs per second, the largest difference, and a last line that ends with "no fault". A graph that differs is
        an exit 1 with its seed, its nodes, and the ways of running it that differ.
"""

import argparse
import contextlib
import ctypes
import itertools
import mmap
import os
import sys
import time
import traceback
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.common.errors import InputError  # noqa: E402
from src.deploy.packed_file import decode  # noqa: E402
from src.engine import Engine, instruction_sets  # noqa: E402
from src.engine.engine import Handle, check  # noqa: E402
from src.engine.library import library  # noqa: E402
from src.graph import run_reference  # noqa: E402
from src.graph.ops import OPS  # noqa: E402
from tests.engine.emulator import emulate  # noqa: E402
from tests.graph.exact import grids_of  # noqa: E402
from tests.graph.packed_files import packed, pixels_of, same_graph  # noqa: E402
from tests.graph.random_graphs import images_for, random_graph  # noqa: E402
from tests.graph.shrink import lines_of, shrink  # noqa: E402

# of logits that rounding may change, relative to the largest: this, or some times what rounding does to the reference
TOLERANCE, ROUNDINGS = 1e-5, 10
PLANS = ("plain", "")  # values of BIMLP_PLAN: one operation after the other, and the engine's choice
THREADS = (1, 2)
REPORT = 1000  # graphs between two lines


def open_bytes(data, threads=1):
    """Engine of a packed file's bytes. Raises InputError as Engine.load."""
    address = ctypes.c_void_p()
    check(library().bimlp_open_bytes(data, len(data), threads, ctypes.byref(address)))
    return Engine(Handle(address.value))


def configurations():
    """(instruction set, plan, threads) of each way in which the engine can run a graph here."""
    return list(itertools.product(instruction_sets(), PLANS, THREADS))


@contextlib.contextmanager
def environment(**values):
    """Scope in which environment variables have other values."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def rounding_of(graph, images, expected):
    """Difference of the logits from those in double precision: what rounding does to this graph."""
    values = [images.astype(np.float64)]
    for node in graph.nodes:
        inputs = [values[i] for i in node.inputs]
        values.append(OPS[node.op].meaning(*inputs, **node.attributes, **node.tensors))
    return difference(expected, values[-1].reshape(expected.shape))


def folding_of(graph, expected):
    """Rounding of the offsets into which the engine folds factor * inputs of binary convolutions, relative to the logits."""
    largest = 0.0
    for node in graph.nodes:
        maker = graph.nodes[node.inputs[0] - 1] if node.inputs[0] else None
        if node.op == "affine" and maker is not None and maker.op == "binary_conv2d":
            largest = max(largest, np.abs(node.tensors["factor"]).max() * maker.tensors["weight"][0].size)
    return float(largest * np.finfo(np.float32).eps / max(np.abs(expected).max(), np.finfo(np.float32).tiny))


def difference(found, expected):
    """Largest difference of logits relative to the largest expected one."""
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))


def compare(graph, images, ways):
    """(largest difference, faults in words) of a graph over ways of running it, as `configurations` lists them, on numbers and
    on pixels."""
    data, expected = packed(graph), run_reference(graph, images)
    if not same_graph(decode(data)[1], graph):
        return 0.0, ["what is read is not what was written"]
    limit = 0.0 if grids_of(graph)[-1] is not None else TOLERANCE
    largest, faults = 0.0, []
    for name, plan, threads in ways:
        way = f"{name}, plan {plan or 'default'}, {threads} thread{'s' * (threads > 1)}"
        try:
            with environment(BIMLP_INSTRUCTION_SET=name, BIMLP_PLAN=plan):
                engine = open_bytes(data, threads)
            with engine:
                found = max(
                    difference(engine.logits(given), expected) for given in (images, pixels_of(images))
                )
        except InputError as error:
            faults.append(f"{way}: {error}")
            continue
        if found > limit == TOLERANCE:
            rounding = max(rounding_of(graph, images, expected), folding_of(graph, expected))
            limit = max(TOLERANCE, ROUNDINGS * rounding)
        if found <= limit:
            largest = max(largest, found)
        else:
            faults.append(f"{way}: expected logits to {limit:g}, got a difference of {found:.3g}")
    return largest, faults


class Totals(ctypes.Structure):
    """Results so far, in memory that a child process shares. seed: of the graph under way."""

    _fields_ = [("seed", ctypes.c_longlong), ("start", ctypes.c_double), ("largest", ctypes.c_double)]
    _fields_ += [(name, ctypes.c_longlong) for name in ("done", "nodes", "exact", "loose", "faults")]

    def report(self, graph, faults):
        """Print a graph that differs."""
        self.faults += 1
        print(f"FAULT: seed {self.seed}:", *faults, *lines_of(graph), sep="\n  ", flush=True)

    def progress(self):
        """Print what is done."""
        rate = self.done / (time.time() - self.start)
        print(f"{self.done} graphs, {rate:.0f} a second, largest difference {self.largest:.2g}", flush=True)


def compare_all(totals, seeds, smaller):
    """Compare the graphs of seeds, and report those that differ: as they are, or the smallest that do."""
    ways = configurations()
    for seed in seeds:
        totals.seed = seed
        graph = random_graph(seed)
        images = images_for(graph, seed)
        found, faults = compare(graph, images, ways)
        if faults and smaller:
            graph, faults = smallest(graph, images, ways)
        if faults:
            totals.report(graph, faults)
        totals.largest = max(totals.largest, found)
        totals.done, totals.nodes = totals.done + 1, totals.nodes + len(graph.nodes)
        totals.exact += grids_of(graph)[-1] is not None
        totals.loose += found > TOLERANCE
        if totals.done % REPORT == 0:
            totals.progress()


def smallest(graph, images, ways):
    """(smaller Graph that differs too, faults in words)."""
    graph = shrink(graph, images, lambda one: bool(compare(one, images, ways)[1]))
    return graph, compare(graph, images, ways)[1]


def in_child(function, *arguments):
    """Number of the signal that ended a child process which calls a function, 0 for none. Raises RuntimeError for an exception."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            function(*arguments)
            sys.stdout.flush()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("the child process ended with an exception")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main():
    """Compare the graphs in child processes, each until the engine takes it down; returns the exit code."""
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    emulate()
    sets = " ".join(instruction_sets())  # compiles the engine if need be
    totals = Totals.from_buffer(mmap.mmap(-1, ctypes.sizeof(Totals)))
    totals.start, first, end = time.time(), arguments.seed, arguments.seed + arguments.count
    while first < end:
        ended = in_child(compare_all, totals, range(first, end), arguments.shrink)
        if ended:
            totals.report(random_graph(totals.seed), [f"the engine ended with signal {ended}"])
        first = totals.seed + 1
    totals.progress()
    kinds = f"{totals.nodes} nodes, {totals.exact} compared exactly, {totals.loose} beyond {TOLERANCE:g} by rounding"
    print(f"{totals.done} random graphs ({kinds}), instruction sets: {sets}: ", end="")
    print(f"{totals.faults} faults" if totals.faults else "no fault")
    return int(totals.faults > 0)


if __name__ == "__main__":
    sys.exit(main())
