#!/usr/bin/env python
"""Damaged packed files to both readers, Python's and the engine's: they accept the same ones.

usage:  python scripts/fuzz_readers.py COUNT SEED
expect: exit 0, what the readers said, and a last line that ends with "no fault". A file that one reader alone accepts, or a
        message that does not name the fault, is an exit 1 with the file's seed and what both said.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.fuzz_graphs import open_bytes  # noqa: E402
from src.common.errors import InputError  # noqa: E402
from src.deploy.packed_file import decode  # noqa: E402
from tests.graph.damages import damaged  # noqa: E402
from tests.graph.packed_files import Parts, packed  # noqa: E402
from tests.graph.random_graphs import random_graph  # noqa: E402

FILES = (
    200  # whole files; small ones are damaged alone, for what is wrong in a large one is seldom near a rule
)
MOST_NODES = 40
BEYOND_THE_FORMAT = (
    "prepared weights: ",
    "products with the number of inputs are finite",
)  # the engine's own limits


def whole_files(seed):
    """Parts of packed files of random graphs, with and without class names."""
    graphs = [
        graph for graph in map(random_graph, range(seed, seed + FILES)) if len(graph.nodes) <= MOST_NODES
    ]
    names = [tuple(f"class {i} ç" for i in range(graph.shape_of(len(graph.nodes))[0])) for graph in graphs]
    return [
        Parts(packed(graph, class_names=n if i % 2 else ()))
        for i, (graph, n) in enumerate(zip(graphs, names))
    ]


def said(function, data):
    """ "" where a reader accepts a file, else its message. Raises what is no InputError."""
    try:
        function(data)
    except InputError as error:
        return str(error)
    return ""


def opened(data):
    """Open and close a file in the engine."""
    open_bytes(data).close()


def disagreement(data):
    """(what Python said, what the engine said, True where one alone accepts the file or a message names nothing)."""
    python, engine = said(decode, data), said(opened, data)
    if any(words in engine for words in BEYOND_THE_FORMAT):
        return python, engine, bool(python)
    named = all(re.fullmatch(r"packed file: \S.*", message) and "expected" in message or "checksum" in message
                for message in (python, engine) if message)  # fmt: skip
    return python, engine, bool(python) != bool(engine) or not named


def main():
    """Compare the readers; returns the exit code."""
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    files, messages, faults = whole_files(arguments.seed), Counter(), 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        python, engine, differ = disagreement(damaged(files[seed % len(files)], seed))
        messages[re.sub(r"\d+", "#", engine) or "accepted"] += 1
        if differ:
            faults += 1
            print(
                f"FAULT: seed {seed}: Python: {python or 'accepted'}\n  the engine: {engine or 'accepted'}",
                flush=True,
            )
    for message, count in messages.most_common():
        print(f"{count:7}  {message}")
    print(f"{arguments.count} damaged files to two readers: {f'{faults} faults' if faults else 'no fault'}")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
