"""Contenders of the engine's benchmarks: processes of runtimes, verified and timed in rounds side by side."""

import json
import statistics
import subprocess
from pathlib import Path

from engine_cases import BINARY_LIMIT, LIMITS, SINGLE
from rounds import MAX_ROUNDS_FACTOR, MIN_QUIET_ROUNDS, one_block, spread, wait_for_quiet
from worker import Worker

HERE = Path(__file__).resolve().parent
MACHINE = "machine"  # side whose contenders are the processor's limits
BLOCK = 0.3  # seconds


class Disagreement(Exception):
    """A contender does not compute what the network does."""


def importable(interpreter, package):
    """Whether an interpreter has a package."""
    find = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return subprocess.run([interpreter, "-c", find], check=False).returncode == 0


def log(record):
    """Print a record as a line of JSON."""
    print(json.dumps(record), flush=True)


def start(name, interpreter, script, arguments, threads, folder, stack):
    """A process that ends with the stack, in a folder for what frameworks leave behind."""
    environment = {"OMP_NUM_THREADS": str(threads)}
    worker = Worker(name, [interpreter, str(HERE / script), *arguments], environment, folder)
    stack.callback(worker.close)
    return worker


def verify(workers, contenders, binary):
    """Compare every contender's logits with the reference's. binary: names of the binary networks. Raises Disagreement."""
    for (side, work), label in contenders.items():
        if side == MACHINE:
            continue
        answer = workers[side].ask("verify", work=work)
        log({"verified": side, **label, **answer})
        limit = BINARY_LIMIT if label["network"] in binary else LIMITS[label["precision"]]
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
