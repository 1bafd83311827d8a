#!/usr/bin/env python
"""Time of a training step per kind of operation, by backend of one network; see README.md."""

import argparse
import csv
import ctypes
import json
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from cases import CASES, TRAINING, positive, write_batches
from report import processor
from worker import Worker, WorkerError, serve

HERE = Path(__file__).resolve().parent
BACKENDS = ("plain", "fast", "fused")
WARMUP = 2  # steps
# kind -> this project's operators and the framework's; of both, forward and backward
KINDS = {
    "binary FC with sign, norm, shortcut, RPReLU": {"fc_forward", "fc_backward"},
    "binary convolution with sign, norm, shortcut, RPReLU": {"binary_conv_forward", "binary_conv_backward"},
    "local FC with sign, norm, shortcut, RPReLU": {"local_fc_forward", "local_fc_backward"},
    "convolution, matrix product": {
        "dense_forward", "dense_backward", "conv_forward", "conv_backward_input", "conv_backward_weight", "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "Im2Col", "Col2Im",
        "MatMul", "BatchMatMul", "BiasAdd", "BiasAddGrad", "DepthwiseConv2dNative",
    },
    "norm, activation of their own": {
        "norm_forward", "norm_backward", "rprelu_forward", "rprelu_backward", "two_slope_forward", "two_slope_backward",
        "BatchNorm", "BatchNormGrad",
    },
    "pooling": {
        "max_pool_forward", "max_pool_backward", "multi_max_pool_forward", "multi_max_pool_backward", "MaxPool", "MaxPoolGrad",
        "MaxPool3DWithArgmax", "MaxPool3DGradWithArgmax", "AvgPool", "AvgPoolGrad",
    },
    "wave (cos, sin)": {"wave_forward", "wave_backward", "Cos", "Sin"},
    "merging branches": {
        "mean_of_sum", "mean_of_sum_backward", "softmax_merge_forward", "softmax_merge_backward",
        "scalar_merge_forward", "scalar_merge_backward", "sum_of", "AddN", "Softmax", "SoftmaxGrad",
    },
    "sum, mean": {"ReduceSum", "ReduceMean", "ReduceMax"},
    "layout, copy": {
        "Transpose", "Reshape", "Concat", "Split", "pad_forward", "pad_backward", "Slice", "SliceGrad", "StridedSlice", "StridedSliceGrad", "Tile",
        "BroadcastTo", "ExpandDims", "Squeeze", "Pad", "PadV3", "PadV3Grad", "TensorMove", "Cast", "Stack", "Unstack",
    },
    "optimizer, writing parameters": {"adamw", "AdamWeightDecay", "L2Loss", "Assign", "AssignAdd", "AssignSub"},
}  # fmt: skip
ELEMENTWISE = "other element-wise"

SHIM = """
#include <dlfcn.h>
#include <chrono>
#include <cstdint>
using Operator = int (*)(int, void **, int *, int64_t **, const char **, void *, void *);
extern "C" { double seconds[%(count)d]; }
static const auto library = dlopen("%(library)s", RTLD_NOW);
%(functions)s
"""
FUNCTION = """
extern "C" int %(name)s(int a, void **b, int *c, int64_t **d, const char **e, void *f, void *g) {
  static const auto run = reinterpret_cast<Operator>(dlsym(library, "%(name)s"));
  const auto start = std::chrono::steady_clock::now();
  const int code = run(a, b, c, d, e, f, g);
  seconds[%(index)d] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return code;
}
"""


def main(argv):
    if argv == ["worker"]:
        serve(Side())
        return 0
    options = parse(argv)
    found = {}
    try:
        for backend in options.backends:
            found[backend] = profile(options, backend)
            print(json.dumps({"case": options.case, "backend": backend, **found[backend]}), flush=True)
    except WorkerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"{options.case}, milliseconds of a step, {processor()}")
    print(table(found))
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, default="bimlp_s", help="default %(default)s")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=["fast", "fused"])
    parser.add_argument("--steps", type=positive, default=5, help="profiled steps (default %(default)s)")
    return parser.parse_args(argv)


def profile(options, backend):
    """{"step": ms, "operations": {name: ms of a step}} of one backend, in a process of its own."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        worker = Worker(backend, [sys.executable, str(HERE / "step_profile.py"), "worker"], {}, folder)
        stack.callback(worker.close)
        case = {**CASES[options.case], "backend": backend}
        write_batches(Path(folder), case)
        return worker.ask("profile", folder=folder, case=case, steps=options.steps)


class Side:
    """The process of one backend."""

    def profile(self, folder, case, steps):
        from mindspore import Profiler
        from mindspore_side import MindSporeSide

        timers = Timers(Path(folder)) if case["backend"] == "fused" else None
        side = MindSporeSide()
        side.prepare(folder, case, TRAINING, seed=1)
        for _ in range(WARMUP):
            side.one_step()
        seconds = []
        for _ in range(steps):
            start = time.perf_counter()
            side.one_step()
            seconds.append(time.perf_counter() - start)
        profiler = Profiler(output_path=f"{folder}/profile", start_profile=False)
        before = timers.read() if timers else {}
        profiler.start()
        for _ in range(steps):
            side.one_step()
        profiler.stop()
        after = timers.read() if timers else {}
        operations = {name: 1e3 * (after[name] - before[name]) / steps for name in after}
        profiler.analyse()
        (file,) = Path(folder).glob("profile/*/FRAMEWORK/cpu_op_type_info_*.csv")
        with file.open() as lines:
            rows = [row for row in csv.DictReader(lines) if row["op_type"] != "Custom"]
        operations.update((row["op_type"], float(row["total_compute_time"]) / steps) for row in rows)
        return {"step": 1e3 * float(np.median(seconds)), "operations": operations}


class Timers:
    """Seconds spent in each of this project's operators, which the framework's profiler does not tell apart: a library
    that stands before theirs. Made before the network is."""

    def __init__(self, folder):
        from src.common import compile as native
        from src.operators import operator

        sources = Path(native.__file__).parents[1].glob("operators/native/*.cc")
        self.names = [n for s in sources for n in re.findall(r"^OPERATOR\((\w+)\)", s.read_text(), re.M)]
        functions = "".join(FUNCTION % {"name": n, "index": i} for i, n in enumerate(self.names))
        source, shim = folder / "shim.cc", folder / "shim.so"
        source.write_text(
            SHIM % {"count": len(self.names), "library": operator.library_path(), "functions": functions}
        )
        # linked with it: what the shim lacks is found there
        command = [
            *native.compiler(),
            *native.flags_of("operators"),
            "-O2",
            "-shared",
            "-fPIC",
            source,
            "-Wl,--no-as-needed",
            operator.library_path(),
            "-o",
            shim,
        ]
        subprocess.run(command, check=True)
        self.seconds = (ctypes.c_double * len(self.names)).in_dll(ctypes.CDLL(str(shim)), "seconds")
        operator.library_path = lambda: str(shim)

    def read(self):
        return dict(zip(self.names, self.seconds))


def table(found):
    """A Markdown table: a row per kind, a column per backend."""
    kinds = {backend: by_kind(each["operations"]) for backend, each in found.items()}
    kernels = {backend: sum(each.values()) for backend, each in kinds.items()}
    names = set().union(*kinds.values())
    lines = [row("kind of operation", found), "|---" * (len(found) + 1) + "|"]
    for name in sorted(names, key=lambda name: -max(each.get(name, 0) for each in kinds.values())):
        lines.append(
            row(name, (share(each.get(name, 0), kernels[backend]) for backend, each in kinds.items()))
        )
    lines.append(row("all of them", (f"{total:,.1f}" for total in kernels.values())))
    lines.append(row("a step, not profiled", (f"{each['step']:,.1f}" for each in found.values())))
    return "\n".join(lines)


def row(name, cells):
    return f"| {' | '.join([name, *cells])} |"


def share(milliseconds, total):
    return f"{milliseconds:,.1f} ({milliseconds / total:.0%})" if milliseconds else ""


def by_kind(operations):
    """{kind: ms} of {operation: ms}."""
    totals = {}
    for name, milliseconds in operations.items():
        kind = next((kind for kind, names in KINDS.items() if name in names), ELEMENTWISE)
        totals[kind] = totals.get(kind, 0) + milliseconds
    return {kind: total for kind, total in totals.items() if total}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
