"""Packed files of small random graphs: python scripts/fuzz_seeds.py FOLDER"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.graph.packed_files import packed  # noqa: E402
from tests.graph.random_graphs import random_graph  # noqa: E402

GRAPHS = 100

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(GRAPHS):
        (folder / f"{seed:03}.packed").write_bytes(packed(random_graph(seed)))
