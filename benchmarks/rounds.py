"""Timed rounds: each side works for a block in turn, and what else went on meanwhile is recorded."""

import math
import os
import statistics
import sys
import time

from worker import WorkerError

FOREIGN_SHARE = 0.1  # a block is quiet when other processes took less than this share of its processor time
IDLE_SHARE = 0.05  # a waiting worker that takes more than this share of a block is worth a warning
MIN_QUIET_ROUNDS = 3  # with fewer quiet rounds, all rounds count
MAX_ROUNDS_FACTOR = 2  # times the wished number of rounds, at most
MAX_WAIT = 20.0  # seconds before a round, for other processes to come to rest


def busy_seconds():
    """Processor time that the cores of this process have worked so far, for anybody (steal included)."""
    cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    with open("/proc/stat") as file:
        lines = [line.split() for line in file]
    # columns: name user nice system idle iowait irq softirq steal
    ticks = sum(int(line[i]) for line in lines if line[0] in cores for i in (1, 2, 3, 6, 7, 8))
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_for_quiet():
    """Return as soon as other processes rest; the workers do so here."""
    end = time.monotonic() + MAX_WAIT
    while time.monotonic() < end:
        start, busy = time.monotonic(), busy_seconds()
        time.sleep(0.5)
        room = (time.monotonic() - start) * len(os.sched_getaffinity(0))
        if busy_seconds() - busy < FOREIGN_SHARE * room:
            return


def one_block(workers, side, work, steps, images):
    """One side takes so many steps of a kind of work on so many images, the others wait; returns the record of it."""
    busy, before = busy_seconds(), {name: worker.cpu_seconds() for name, worker in workers.items()}
    answer = workers[side].ask("block", work=work, steps=steps)
    spent = {name: worker.cpu_seconds() - before[name] for name, worker in workers.items()}
    foreign = max(busy_seconds() - busy - sum(spent.values()), 0.0)
    idle = sum(spent.values()) - spent[side]
    seconds = answer["seconds"]
    if not math.isfinite(answer["loss"]):
        raise WorkerError(f"{side}: expected a finite loss, got {answer['loss']}")
    if idle > IDLE_SHARE * seconds:
        sys.stderr.write(
            f"warning: the waiting workers took {idle:.2f} s of processor time in {seconds:.2f} s\n"
        )
    return {
        "seconds": round(seconds, 4),
        "images_per_second": round(steps * images / seconds, 3),
        "loss": round(answer["loss"], 4),
        "cpu_seconds": round(spent[side], 2),
        "idle_cpu_seconds": round(idle, 2),
        "foreign_cpu_seconds": round(foreign, 2),
        "quiet": foreign < FOREIGN_SHARE * seconds * len(os.sched_getaffinity(0)),
    }


def run_rounds(workers, count, work, steps, images, log):
    """Rounds of one block per side until `count` were quiet, at most MAX_ROUNDS_FACTOR times as many; log(record) per block.

    Returns the rounds that count, a list of {side: record}, and whether they were quiet.
    """
    rounds = []
    while sum(map(quiet, rounds)) < count and len(rounds) < MAX_ROUNDS_FACTOR * count:
        rounds.append({})
        wait_for_quiet()
        for side in workers:
            rounds[-1][side] = one_block(workers, side, work, steps, images)
            log({"work": work, "side": side, "block": len(rounds) - 1, "steps": steps, **rounds[-1][side]})
    undisturbed = [each for each in rounds if quiet(each)]
    if len(undisturbed) >= min(MIN_QUIET_ROUNDS, count):
        return undisturbed, True
    sys.stderr.write(
        f"warning: other processes kept the machine busy in {len(rounds) - len(undisturbed)} of {len(rounds)} rounds: "
        "these figures say little\n"
    )
    return rounds, False


def quiet(blocks):
    """True for a round whose blocks were all quiet."""
    return all(block["quiet"] for block in blocks.values())


def spread(values):
    """Median and quartiles."""
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return dict(zip(("lower", "median", "upper"), (round(value, 4) for value in quartiles)))


def speeds(rounds, ours):
    """Images per second of each side; ratios ours / theirs of the medians, with the quartiles of the rounds' ratios."""
    values = {side: [blocks[side]["images_per_second"] for blocks in rounds] for side in rounds[0]}
    result = {side: spread(values[side]) for side in values}
    ratios = {}
    for side in values:
        if side != ours:
            pairs = spread([a / b for a, b in zip(values[ours], values[side])])
            ratios[side] = {**pairs, "median": round(result[ours]["median"] / result[side]["median"], 4)}
    return {"rounds": len(rounds), "images_per_second": result, "ratios": ratios}
