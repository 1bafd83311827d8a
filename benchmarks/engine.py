#!/usr/bin/env python
"""Inference of the engine beside MindSpore, ONNX Runtime and OpenVINO, and beside the processor's limits; see README.md."""

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cases import positive, write_batches
from contenders import MACHINE, Disagreement, importable, log, measure, start, verify
from engine_cases import CLASSES, FULL, IMAGES, QUICK
from engine_report import summary, table
from worker import WorkerError

ENGINE, MINDSPORE = "engine", "mindspore"
PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}  # runtime -> what its interpreter must have
RUNTIMES = (ENGINE, MINDSPORE, *PACKAGES)
QUICK_ROUNDS = 2


def main(argv):
    """Returns the exit code: 0, or 1 when a contender computes something else or a worker fails."""
    options = parse(argv)
    suite = QUICK if options.quick else FULL
    cores = sorted(os.sched_getaffinity(0))
    found = {"suite": suite, "versions": {}, "files": {}, "rows": [], "peaks": {}, "shares": {}}
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_files(options, suite, folder, found)
            for threads in suite.threads:
                if threads > len(cores):
                    sys.stderr.write(f"warning: {threads} threads left out, there are {len(cores)} cores\n")
                    continue
                os.sched_setaffinity(0, cores[:threads])
                run_threads(options, suite, folder, threads, found)
    except (Disagreement, WorkerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(table(found), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(summary(found)), flush=True)
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive, help="timed blocks per contender (default 15)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="bimlp_t at 32 pixels, 2 rounds, one thread, without runtimes that are missing",
    )
    parser.add_argument(
        "--only", type=names, default=RUNTIMES, metavar="A,B", help=f"of {','.join(RUNTIMES)} (default: all)"
    )
    parser.add_argument(
        "--runtimes-python", default=sys.executable, metavar="FILE",
        help="the interpreter that has ONNX Runtime and OpenVINO (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="end with one JSON object; the table goes to stderr"
    )
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else 15)
    missing = [
        name
        for name in options.only
        if name in PACKAGES and not importable(options.runtimes_python, PACKAGES[name])
    ]
    if missing and not options.quick:
        parser.error(
            f"--runtimes-python: {options.runtimes_python} has no {', '.join(missing)}; see run_engine.sh"
        )
    options.only = tuple(name for name in options.only if name not in missing)
    return options


def names(text):
    """Runtimes by name, in their usual order."""
    given = text.split(",")
    unknown = set(given) - set(RUNTIMES)
    if unknown:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(RUNTIMES)}, got {','.join(unknown)}")
    return tuple(name for name in RUNTIMES if name in given)


# --- what is measured ---


def write_files(options, suite, folder, found):
    """The images and every network's files, with the reference's logits."""
    write_batches(Path(folder), {"batch_size": IMAGES, "image_size": suite.image_size, "classes": CLASSES})
    foreign = any(name in options.only for name in PACKAGES)
    with ExitStack() as stack:
        worker = start("files", sys.executable, "engine_files.py", (), os.cpu_count(), folder, stack)
        found["versions"]["reference"] = worker.ask("version")["version"]
        for network in suite.networks() if foreign else (suite.ours,):
            found["files"][network] = worker.ask(
                "write", folder=folder, name=network, network=network, overrides={}, image_size=suite.image_size,
                onnx_batches=suite.batches if foreign else (),
            )  # fmt: skip
            log({"network": network, **found["files"][network]})


def run_threads(options, suite, folder, threads, found):
    """Verify and time all contenders with so many threads, one batch size after another."""
    with ExitStack() as stack:
        workers, contenders = {}, {}
        for name in (*options.only, *((MACHINE,) if threads == 1 else ())):
            interpreter = options.runtimes_python if name in PACKAGES else sys.executable
            workers[name] = start(name, interpreter, "engine_sides.py", (name,), threads, folder, stack)
            facts = workers[name].ask(
                "load", folder=folder, networks=suite.networks(), batches=suite.batches, threads=threads
            )
            labels = facts.pop("contenders")
            contenders.update({(name, work): label for work, label in labels.items()})
            log({"runtime": name, "threads": threads, **facts})
            if "version" in facts:
                found["versions"][name] = facts["version"]
            if name == ENGINE:
                found["chosen"], found["missing"] = facts["chosen"], facts["missing"]
        verify(workers, contenders, (suite.ours,))
        for batch in suite.batches:
            taken = {
                key: label
                for key, label in contenders.items()
                if label.get("batch") == batch or (key[0] == MACHINE and batch == 1)
            }
            measure(workers, taken, batch, options.rounds, found)
        if threads == 1 and ENGINE in workers:
            sets = [label["instruction_set"] for (side, _), label in contenders.items() if side == ENGINE]
            for name in dict.fromkeys(sets):
                shares = workers[ENGINE].ask("shares", instruction_set=name)
                found["shares"].update({name: shares} if shares else {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
