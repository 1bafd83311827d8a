#!/usr/bin/env python
"""Networks with other switches in the engine beside ONNX Runtime: bytes of the packed file, milliseconds per image, ratio.

usage:  bash benchmarks/run_engine.sh switches [--json] [--rounds N] [--threads N]
        python benchmarks/engine_switches.py --quick    # two networks at 32 pixels, where onnxruntime is installed
expect: a JSON line per network and per verified contender before anything is timed, one per block, then a table in Markdown;
        with --json one JSON object in the end, and the table on stderr. Exit code 1 when a contender does not compute what
        the network does, or a packed file has not the bytes that the costs say.
"""

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cases import positive, write_batches
from contenders import Disagreement, importable, log, measure, start, verify
from engine_cases import CLASSES, IMAGES
from engine_report import today
from report import machine
from worker import WorkerError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.common.markdown import markdown_table  # noqa: E402

ENGINE, OTHER = "packed", "onnxruntime"  # sides
BATCH = 1
ROUNDS, QUICK_ROUNDS = 15, 2
SIZE, QUICK_SIZE = 224, 32
HEADER = ("network", "packed bytes", "engine, ms", "ONNX Runtime, ms", "ONNX Runtime / engine")


def main(argv):
    """Returns the exit code: 0, or 1 when a contender computes something else or a worker fails."""
    options = parse(argv)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    found = {"versions": [], "files": {}, "rows": []}
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_files(options, folder, found)
            time_networks(options, folder, found)
    except (Disagreement, WorkerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    result = summary(found, options)
    print(table(result), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(result), flush=True)
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, help=f"timed blocks per contender (default {ROUNDS})")
    parser.add_argument("--threads", type=positive, default=1, help="of either runtime (default %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help=f"two networks at {QUICK_SIZE} pixels, {QUICK_ROUNDS} rounds"
    )
    parser.add_argument(
        "--runtimes-python", default=sys.executable, metavar="FILE",
        help="the interpreter that has ONNX Runtime (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="end with one JSON object; the table goes to stderr"
    )
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    options.size = QUICK_SIZE if options.quick else SIZE
    cores = len(os.sched_getaffinity(0))
    if options.threads > cores:
        parser.error(f"--threads: expected at most {cores}, the number of cores, got {options.threads}")
    if not importable(options.runtimes_python, OTHER):
        parser.error(f"--runtimes-python: {options.runtimes_python} has no {OTHER}; see run_engine.sh")
    return options


def networks(quick, quantizers):
    """Name of each row's files -> (network, overrides) as create_model takes them. quantizers: names, the default one first."""
    if quick:
        rows = (("wave_mlp_nano", {}), ("bimlp_t", {"quantizer": "dorefa"}))
    else:
        switches = ({}, {"norm": "layer"}, {"token_mixing": "cycle_fc"})
        others = tuple({"quantizer": name} for name in quantizers[1:])
        rows = (
            ("wave_mlp_t", {}),
            *(("bimlp_s", overrides) for overrides in (*switches, *others)),
            ("released_bimlp_s", {}),
        )
    return {
        "-".join((network, *(f"{key}-{value}" for key, value in overrides.items()))): (network, overrides)
        for network, overrides in rows
    }


def write_files(options, folder, found):
    """The images and every network's files, with the reference's logits. Raises Disagreement about a file's bytes."""
    write_batches(Path(folder), {"batch_size": IMAGES, "image_size": options.size, "classes": CLASSES})
    with ExitStack() as stack:
        worker = start("files", sys.executable, "engine_files.py", (), os.cpu_count(), folder, stack)
        found["versions"].append(worker.ask("version")["version"])
        for name, (network, overrides) in networks(options.quick, worker.ask("quantizers")["names"]).items():
            written = worker.ask(
                "write", folder=folder, name=name, network=network, overrides=overrides, image_size=options.size,
                onnx_batches=(BATCH,),
            )  # fmt: skip
            compare_bytes(name, written)
            found["files"][name] = {"network": network, "switches": overrides, **written}
            log(found["files"][name])


def compare_bytes(name, written):
    """Raises Disagreement unless the packed file has the bytes that the costs say."""
    size, counted = written["packed_bytes"], written["counted_bytes"]
    if size != counted:
        raise Disagreement(f"{name}: expected a packed file of {counted} bytes, as counted, got {size}")


def time_networks(options, folder, found):
    """Verify all contenders, then time them, each network in the engine and in ONNX Runtime in turn."""
    names, contenders = tuple(found["files"]), {}
    with ExitStack() as stack:
        workers = {}
        for side, interpreter in ((ENGINE, sys.executable), (OTHER, options.runtimes_python)):
            workers[side] = start(
                side, interpreter, "engine_sides.py", (side,), options.threads, folder, stack
            )
            facts = workers[side].ask(
                "load", folder=folder, networks=names, batches=(BATCH,), threads=options.threads
            )
            found["versions"].append(facts["version"])
            contenders.update({(side, work): label for work, label in facts["contenders"].items()})
        contenders = dict(sorted(contenders.items(), key=lambda item: names.index(item[1]["network"])))
        verify(workers, contenders, [name for name in names if found["files"][name]["precision"] == "binary"])
        measure(workers, contenders, BATCH, options.rounds, found)


def summary(found, options):
    """Result for programs: a row per network, and how it came about."""
    rows = []
    for name, written in found["files"].items():
        sides = {row["runtime"]: row for row in found["rows"] if row["network"] == name}
        ms = {side: row["ms"] for side, row in sides.items()}
        rows.append(
            {
                **{key: written[key] for key in ("network", "switches", "packed_bytes")}, "engine_ms": ms[ENGINE],
                "onnxruntime_ms": ms[OTHER], "ratio": round(ms[OTHER]["median"] / ms[ENGINE]["median"], 4),
                "quiet": all(row["quiet"] for row in sides.values()),
            }
        )  # fmt: skip
    return {
        "rows": rows, "image_size": options.size, "threads": options.threads, "versions": found["versions"],
        "machine": machine(), "date": today(),
    }  # fmt: skip


def table(result):
    """Rows as a table in Markdown: medians [quartiles], and the ratio of the medians; above it where they were measured."""
    size, threads = result["image_size"], result["threads"]
    lines = [
        f"{result['machine']['processor']}, {result['machine']['cores']} cores, {result['date']}; "
        f"{'; '.join(result['versions'])}. One image of {size} x {size} pixels, {threads} thread{'s' * (threads > 1)}:",
        "",
        markdown_table(HEADER, [cells(row) for row in result["rows"]], HEADER[:1]),
    ]
    busy = [label(row) for row in result["rows"] if not row["quiet"]]
    return "\n".join([*lines, *([f"\nThe machine was busy: {'; '.join(busy)}."] if busy else [])])


def label(row):
    """Name of a row's network and its switches."""
    return ", ".join((f"`{row['network']}`", *(f"`{key}={value}`" for key, value in row["switches"].items())))


def cells(row):
    """Texts of a row in the columns of HEADER."""
    times = [
        f"{ms['median']:.3g} [{ms['lower']:.3g}, {ms['upper']:.3g}]"
        for ms in (row["engine_ms"], row["onnxruntime_ms"])
    ]
    return (label(row), f"{row['packed_bytes']:,}", *times, f"{row['ratio']:.2f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
