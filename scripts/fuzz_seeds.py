"""Packed files of small random graphs, and pictures: python scripts/fuzz_seeds.py FOLDER"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.graph.packed_files import packed  # noqa: E402
from tests.graph.random_graphs import random_graph  # noqa: E402

GRAPHS = 100
PICTURES = (  # kind of the picture, its format, how it is saved
    ("RGB", "jpeg", {}), ("RGB", "jpeg", {"progressive": True, "subsampling": 0}), ("L", "jpeg", {"optimize": True}),
    ("CMYK", "jpeg", {}), ("RGB", "png", {}), ("RGBA", "png", {}), ("L", "png", {}), ("LA", "png", {}), ("P", "png", {}),
    ("1", "png", {}), ("I;16", "png", {}), ("RGB", "ppm", {}), ("L", "ppm", {}),
)  # fmt: skip
WIDTH, HEIGHT = 29, 21


def picture(kind):
    """Smooth colours with some noise, as a Pillow image of a kind."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(0).integers(0, 16, (HEIGHT, WIDTH, 3))
    planes = np.stack([8 * x, 11 * y, 5 * (x + y)], axis=-1) + noise
    if kind == "I;16":
        return Image.fromarray((250 * planes[..., 0]).astype(np.uint16))
    return Image.fromarray(planes.clip(0, 255).astype(np.uint8)).convert(kind)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(GRAPHS):
        (folder / f"{seed:03}.packed").write_bytes(packed(random_graph(seed)))
    for number, (kind, name, options) in enumerate(PICTURES):
        picture(kind).save(folder / f"picture{number:02}.{name}", **options)
