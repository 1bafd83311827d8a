#!/usr/bin/env python
"""Inference of the engine beside MindSpore, ONNX Runtime and OpenVINO, and beside the processor's limits; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cases import positive, write_batches
from engine_cases import BINARY_LIMIT, CLASSES, FULL, IMAGES, LIMITS, QUICK, SINGLE
from engine_report import summary, table
from rounds import MAX_ROUNDS_FACTOR, MIN_QUIET_ROUNDS, one_block, spread, wait_for_quiet
from worker import Worker, WorkerError

HERE = Path(__file__).resolve().parent
ENGINE, MINDSPORE, MACHINE = "engine", "mindspore", "machine"
PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}  # runtime -> what its interpreter must have
RUNTIMES = (ENGINE, MINDSPORE, *PACKAGES)
BLOCK = 0.3  # seconds
QUICK_ROUNDS = 2


class Disagreement(Exception):
    """A contender does not compute what the network does."""


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
    missing = [name for name in options.only if name in PACKAGES and not importable(options, PACKAGES[name])]
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


def importable(options, package):
    find = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return subprocess.run([options.runtimes_python, "-c", find], check=False).returncode == 0


def log(record):
    print(json.dumps(record), flush=True)


def start(name, interpreter, script, arguments, threads, folder, stack):
    """A process that ends with the stack, in a folder for what frameworks leave behind."""
    environment = {"OMP_NUM_THREADS": str(threads)}
    worker = Worker(name, [interpreter, str(HERE / script), *arguments], environment, folder)
    stack.callback(worker.close)
    return worker


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
                "write", folder=folder, network=network, image_size=suite.image_size,
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
        verify(workers, contenders, suite.ours)
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


def verify(workers, contenders, ours):
    """Compare every contender's logits with the reference's. Raises Disagreement."""
    for (side, work), label in contenders.items():
        if side == MACHINE:
            continue
        answer = workers[side].ask("verify", work=work)
        log({"verified": side, **label, **answer})
        limit = BINARY_LIMIT if label["network"] == ours else LIMITS[label["precision"]]
        sure = limit <= max(BINARY_LIMIT, LIMITS[SINGLE])  # in 16 bits near classes change places
        if not answer["difference"] <= limit or (sure and answer["other_classes"]):
            raise Disagreement(
                f"{side}, {work}: expected the reference's logits to {limit:g} of their deviation and the same classes, "
                f"got {answer['difference']:.3g} and {answer['other_classes']} other classes"
            )


def measure(workers, contenders, batch, count, found):
    """Rounds of one block per contender; adds a row per contender, or a peak."""
    steps = {key: steps_of(workers, *key) for key in contenders}
    blocks = {key: [] for key in contenders}
    for number in range(MAX_ROUNDS_FACTOR * count):
        if all(sum(block["quiet"] for block in each) >= count for each in blocks.values()):
            break
        wait_for_quiet()
        for key, label in contenders.items():
            side, work = key
            record = one_block(workers, side, work, steps[key], batch)
            blocks[key].append({**record, "ms": 1e3 * record["seconds"] / steps[key]})
            log({"runtime": side, **label, "block": number, "steps": steps[key], **record})
    for (side, work), label in contenders.items():
        each = blocks[side, work]
        quiet = [block for block in each if block["quiet"]]
        row = {"quiet": len(quiet) >= min(MIN_QUIET_ROUNDS, count), "blocks": len(quiet) or len(each)}
        times = [block["ms"] for block in quiet or each]
        if side == MACHINE:
            gmacs = spread([label["macs"] / ms / 1e6 for ms in times])
            found["peaks"][work] = {"by": label["by"], **row, "gmacs": gmacs}
        else:
            found["rows"].append({"runtime": side, **label, **row, "ms": spread(times)})


def steps_of(workers, side, work):
    """Number of batches in a block; the contender is warm then."""
    workers[side].ask("block", work=work, steps=1)
    seconds = statistics.median(workers[side].ask("block", work=work, steps=1)["seconds"] for _ in range(3))
    return max(1, round(BLOCK / seconds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
