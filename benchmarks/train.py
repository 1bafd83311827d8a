#!/usr/bin/env python
"""Training speed of this project's networks beside PyTorch's; see README.md. Start it with run_train.sh."""

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from agreement import Disagreement, check_agreement
from cases import CASES, SEED, TRAINING, positive, write_batches
from report import WORKS, summary, table
from rounds import run_rounds, speeds
from worker import Worker, WorkerError

HERE = Path(__file__).resolve().parent
# A way to run the PyTorch network.
OPPONENTS = {
    "eager": {"memory_format": "channels_last", "compiled": False},
    "eager_contiguous": {"memory_format": "contiguous", "compiled": False},
    "compile": {"memory_format": "channels_last", "compiled": True},
    "compile_contiguous": {"memory_format": "contiguous", "compiled": True},
}
WARMUP = 3  # steps before the first timed block
OURS = "mindspore"


def main(argv):
    """Returns the exit code: 0, or 1 when the two sides do not compute the same or a worker fails."""
    options = parse(argv)
    limit_processors(options.threads)
    results = {}
    try:
        for name in options.cases:
            results[name] = run_case(name, options)
    except (Disagreement, WorkerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(table(results), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        settings = {"threads": options.threads, "blocks": options.blocks, "cases": CASES, **TRAINING}
        print(json.dumps(summary(results, settings)), flush=True)
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--opponents", nargs="+", choices=OPPONENTS, default=["eager", "compile"])
    parser.add_argument(
        "--blocks",
        type=positive,
        default=9,
        help="timed blocks per side, not counting those that other work disturbed (default %(default)s)",
    )
    parser.add_argument("--steps", type=positive, help="steps per block (default: the case's)")
    parser.add_argument("--threads", type=positive, default=2, help="threads and cores (default %(default)s)")
    parser.add_argument(
        "--json", action="store_true", help="end with one JSON object; the table goes to stderr"
    )
    parser.add_argument("--torch-python", required=True, help="the interpreter that has PyTorch")
    return parser.parse_args(argv)


def limit_processors(threads):
    """Keep this process and its workers to as many cores as they may have threads."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < threads:
        sys.stderr.write(f"warning: {threads} threads on {len(cores)} cores\n")
    os.sched_setaffinity(0, cores[:threads])


def run_case(name, options):
    """Verify, then time one case; prints a JSON line for each and returns what was measured."""
    case = CASES[name]

    def log(record):
        print(json.dumps({"case": name, **record}), flush=True)

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        write_batches(Path(folder), case)
        workers = start_workers(options, folder, stack)
        facts = verify(workers, folder, case, options.threads)
        log(facts)
        steps, measured = options.steps or case["steps"], {}
        for work in WORKS:
            for worker in workers.values():
                worker.ask("block", work=work, steps=WARMUP)
            rounds, quiet = run_rounds(workers, options.blocks, work, steps, case["batch_size"], log)
            measured[work] = {"quiet": quiet, **speeds(rounds, OURS)}
    return {**facts, **measured}


def start_workers(options, folder, stack):
    """One process per side, ours first, in a folder for what frameworks leave behind; the stack ends them."""
    commands = {OURS: [sys.executable, str(HERE / "mindspore_side.py")]}
    for opponent in options.opponents:
        commands[opponent] = [options.torch_python, str(HERE / "torch_side.py")]
    workers = {}
    for side, command in commands.items():
        workers[side] = Worker(side, command, {"OMP_NUM_THREADS": str(options.threads)}, folder)
        stack.callback(workers[side].close)
    return workers


def verify(workers, folder, case, threads):
    """Give all sides the same weights and compare one training step. Raises Disagreement."""
    ours, *others = workers.values()
    given = {"folder": folder, "case": case, "training": TRAINING}
    facts = {OURS: ours.ask("prepare", seed=SEED, **given)}
    for worker in others:
        opponent = OPPONENTS[worker.name]
        facts[worker.name] = worker.ask("prepare", opponent=opponent, threads=threads, **given)
        if worker is others[0]:  # the next ones read the settled weights
            facts.update(worker.ask("settle"))
    ours.ask("load")
    ours.ask("verify")
    facts["largest_differences"] = {}
    for worker in others:
        worker.ask("verify")
        try:
            found = [dict(np.load(f"{folder}/{side}.npz")) for side in ("mindspore", "torch")]
            facts["largest_differences"][worker.name] = check_agreement(*found, case["ties"])
        except Disagreement as error:
            network = f"{case['model']} in {case['precision']}"
            gap = facts["narrowest_gap"]
            raise Disagreement(f"{network}, {OURS} and {worker.name} (gap {gap:.1g}): {error}") from None
    return facts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
