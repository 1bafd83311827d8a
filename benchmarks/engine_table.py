#!/usr/bin/env python
"""Many networks in the engine beside ONNX Runtime: OPs, bytes of the packed file, milliseconds per image, ratio.

usage:  bash benchmarks/run_engine.sh switches|networks [--json] [--rounds N] [--threads N] [--only NAME ..]
        python benchmarks/engine_table.py networks --quick    # two networks at 32 pixels, where onnxruntime is installed
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
from engine_cases import CLASSES, SINGLE
from engine_report import today
from engine_suites import SUITES
from report import machine
from worker import WorkerError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.common.markdown import markdown_table  # noqa: E402

ENGINE, OTHER, THIRD = "packed", "onnxruntime", "openvino"  # sides; the third runs a suite's references alone
BATCH = 1
ROUNDS, QUICK_ROUNDS = 15, 2
SIZE, QUICK_SIZE = 224, 32
HEADER = ("network", "OPs (1e8)", "packed bytes", "engine, ms", "ONNX Runtime, ms", "ONNX Runtime / engine")


def main(argv):
    """Returns the exit code: 0, or 1 when a contender computes something else or a worker fails."""
    options = parse(argv)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    found = {"versions": [], "files": {}, "references": {}, "rows": []}
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
    parser.add_argument("suite", choices=tuple(SUITES), help="which networks")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows and references of these networks")
    parser.add_argument("--rounds", type=positive, help=f"timed blocks per contender (default {ROUNDS})")
    parser.add_argument("--threads", type=positive, default=1, help="of either runtime (default %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help=f"two networks at {QUICK_SIZE} pixels, {QUICK_ROUNDS} rounds"
    )
    parser.add_argument(
        "--runtimes-python", default=sys.executable, metavar="FILE",
        help="the interpreter that has ONNX Runtime, and OpenVINO for references (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="end with one JSON object; the table goes to stderr"
    )
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    options.size = QUICK_SIZE if options.quick else SIZE
    options.suite = SUITES[options.suite]
    unknown = sorted(set(options.only or ()) - set(options.suite.names(options.quick)))
    if unknown:
        known = ", ".join(options.suite.names(options.quick))
        parser.error(f"--only: expected some of {known}, got {', '.join(unknown)}")
    cores = len(os.sched_getaffinity(0))
    if options.threads > cores:
        parser.error(f"--threads: expected at most {cores}, the number of cores, got {options.threads}")
    for package in (OTHER, THIRD) if references(options) else (OTHER,):
        if not importable(options.runtimes_python, package):
            parser.error(f"--runtimes-python: {options.runtimes_python} has no {package}; see run_engine.sh")
    return options


def networks(options, quantizers):
    """Name of each row's files -> (network, overrides), those of --only. quantizers: names, the default one first."""
    rows = options.suite.rows(options.quick, quantizers)
    return {
        "-".join((network, *(f"{key}-{value}" for key, value in overrides.items()))): (network, overrides)
        for network, overrides in rows
        if not options.only or network in options.only
    }


def references(options):
    """Names of the references, those of --only."""
    names = () if options.quick else options.suite.references
    return tuple(name for name in names if not options.only or name in options.only)


def write_files(options, folder, found):
    """The images and every network's files, with the reference's logits. Raises Disagreement about a file's bytes."""
    write_batches(
        Path(folder), {"batch_size": options.suite.images, "image_size": options.size, "classes": CLASSES}
    )
    with ExitStack() as stack:
        worker = start("files", sys.executable, "engine_files.py", (), os.cpu_count(), folder, stack)
        found["versions"].append(worker.ask("version")["version"])
        rows = networks(options, worker.ask("quantizers")["names"])
        others = {name: (name, {}) for name in references(options)}
        for name, (network, overrides) in {**rows, **others}.items():
            written = worker.ask(
                "write", folder=folder, name=name, network=network, overrides=overrides, image_size=options.size,
                onnx_batches=(BATCH,),
            )  # fmt: skip
            compare_bytes(name, written)
            record = {"network": network, "switches": overrides, **written}
            found["files" if name in rows else "references"][name] = record
            log(record)


def compare_bytes(name, written):
    """Raises Disagreement unless the packed file has the bytes that the costs say."""
    size, counted = written["packed_bytes"], written["counted_bytes"]
    if size != counted:
        raise Disagreement(f"{name}: expected a packed file of {counted} bytes, as counted, got {size}")


def time_networks(options, folder, found):
    """Verify all contenders, then time them: each network in the engine and in ONNX Runtime, the references in two runtimes, in turn."""
    rows, others, contenders = tuple(found["files"]), tuple(found["references"]), {}
    sides = [(ENGINE, sys.executable, rows), (OTHER, options.runtimes_python, (*rows, *others))]
    if others:
        sides.append((THIRD, options.runtimes_python, others))
    with ExitStack() as stack:
        workers = {}
        for side, interpreter, names in sides:
            workers[side] = start(
                side, interpreter, "engine_sides.py", (side,), options.threads, folder, stack
            )
            facts = workers[side].ask(
                "load", folder=folder, networks=names, batches=(BATCH,), threads=options.threads
            )
            found["versions"].append(facts["version"])
            labels = facts["contenders"].items()
            contenders.update({(side, work): label for work, label in labels if label["precision"] == SINGLE})
        order = (*rows, *others)
        contenders = dict(sorted(contenders.items(), key=lambda item: order.index(item[1]["network"])))
        verify(workers, contenders, [name for name in rows if found["files"][name]["precision"] == "binary"])
        measure(workers, contenders, BATCH, options.rounds, found)


def summary(found, options):
    """Result for programs: a row per network, the references in the better of their runtimes, and how it came about."""
    rows = []
    for name, written in found["files"].items():
        sides = {row["runtime"]: row for row in found["rows"] if row["network"] == name}
        ms = {side: row["ms"] for side, row in sides.items()}
        rows.append(
            {
                **{key: written[key] for key in ("network", "switches", "ops", "packed_bytes")}, "engine_ms": ms[ENGINE],
                "onnxruntime_ms": ms[OTHER], "ratio": round(ms[OTHER]["median"] / ms[ENGINE]["median"], 4),
                "quiet": all(row["quiet"] for row in sides.values()),
            }
        )  # fmt: skip
    best = {}
    for name in found["references"]:
        row = min((r for r in found["rows"] if r["network"] == name), key=lambda row: row["ms"]["median"])
        best[name] = {key: row[key] for key in ("runtime", "ms", "quiet")}
    return {
        "rows": rows, "references": best, "image_size": options.size, "threads": options.threads, "versions": found["versions"],
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
    for name, row in result["references"].items():
        lines += [
            "",
            f"`{name}` in fp32, the better of two runtimes, {row['runtime']}: {spread_text(row['ms'])} ms.",
        ]
    busy = [label(row) for row in result["rows"] if not row["quiet"]]
    busy += [f"`{name}`" for name, row in result["references"].items() if not row["quiet"]]
    return "\n".join([*lines, *([f"\nThe machine was busy: {'; '.join(busy)}."] if busy else [])])


def label(row):
    """Name of a row's network and its switches."""
    return ", ".join((f"`{row['network']}`", *(f"`{key}={value}`" for key, value in row["switches"].items())))


def cells(row):
    """Texts of a row in the columns of HEADER."""
    times = [spread_text(ms) for ms in (row["engine_ms"], row["onnxruntime_ms"])]
    return (label(row), f"{row['ops'] / 1e8:.3f}", f"{row['packed_bytes']:,}", *times, f"{row['ratio']:.2f}")


def spread_text(ms):
    """Median and quartiles."""
    return f"{ms['median']:.3g} [{ms['lower']:.3g}, {ms['upper']:.3g}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
