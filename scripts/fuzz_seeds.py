"""Small random networks as packed files: python scripts/fuzz_seeds.py FOLDER"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.deploy.packed_file import encode  # noqa: E402
from src.deploy.packed_layout import Description, layout  # noqa: E402

COLOURS = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
DESCRIPTIONS = {
    "small": Description(
        "small", 16, 18, (4, 4, 0), (8, 12), (1, 1), (2, 1, 2, 1), 3, **COLOURS, class_names=("a", "b", "ç d")
    ),
    "odd": Description("odd", 13, 13, (5, 2, 1), (12, 4, 36), (1, 2, 1), (4, 0, 0, 2), 17, **COLOURS),
    "local": Description(
        "local", 9, 9, (1, 1, 0), (20,), (2,), (0, 1, 2, 0), 1, **COLOURS, class_names=("",)
    ),
    "bimlp_t": Description(
        "bimlp_t", 32, 32, (7, 4, 2), (32, 64, 128, 256), (1, 1, 2, 1), (2, 1, 2, 1), 10, **COLOURS
    ),
}


def random_tensors(description, seed=0):
    """name -> array for `encode`, of sizes that keep a network's numbers in order."""
    generator = np.random.default_rng(seed)
    tensors = {}
    for entry in layout(description):
        name = entry.name.rpartition(".")[2]
        if entry.bits:
            tensors[entry.name] = generator.random(entry.shape) < 0.5
        elif name == "factor":
            tensors[entry.name] = generator.uniform(0.05, 0.2, entry.shape)
        elif name == "merge":
            tensors[entry.name] = np.full(entry.shape, 1 / (1 + len(generator.random(entry.shape))))
        else:
            tensors[entry.name] = 0.3 * generator.standard_normal(entry.shape)
    return tensors


def packed(name):
    """The bytes of one of the DESCRIPTIONS."""
    return encode(DESCRIPTIONS[name], random_tensors(DESCRIPTIONS[name]))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in DESCRIPTIONS:
        (folder / f"{name}.packed").write_bytes(packed(name))
