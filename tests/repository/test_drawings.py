"""The pictures of the pages that scripts draw."""

import importlib.util
from pathlib import Path

import numpy as np
from matplotlib.text import Text
from PIL import Image

from src.graph import trace
from src.graph.draw import picture_of
from src.model import create_model, image_size_of
from src.model.networks.bimlp import VARIANTS
from src.settings.command_line import run

ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 150_000  # of a picture


def script(path):
    """The module of a script."""
    spec = importlib.util.spec_from_file_location(path.rpartition("/")[2].partition(".")[0], ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_the_bars_are_the_numbers_of_the_page(tmp_path):
    bars = script("benchmarks/bars.py")
    page = (ROOT / "docs" / "performance.md").read_text()
    found = bars.rows(page)
    assert len(found) == 17 and ("ONNX Runtime, ResNet-18", "19.4") in found
    figure = bars.bars(found)
    lengths = [bar.get_width() for bar in figure.axes[0].patches]
    assert lengths == sorted(min(float(number), bars.MAX_BAR) for _, number in found)
    figure.draw_without_rendering()  # which makes the axis' labels
    said = texts(figure)
    assert {contender for contender, _ in found} <= set(said)
    assert {number for _, number in found} - set(said) == {"822"} and "822 (cut)" in said
    machine, _, date = bars.MACHINE.rpartition(", ")
    section = " ".join(page.partition(bars.SECTION)[2].partition("\n## ")[0].split())
    assert machine in section and date in section
    assert run(bars.main, [str(tmp_path / "out.png")]) == 0
    size = Image.open(tmp_path / "out.png").size
    assert size == Image.open(ROOT / "docs" / "engine.png").size
    assert run(bars.main, ["a", "b"]) == 2


def test_the_picture_of_the_network_follows_the_table_of_variants(tmp_path, monkeypatch):
    network = script("scripts/draw_network.py")
    said = " ".join(texts(network.network_figure("light")))
    small = VARIANTS["bimlp_s"]
    for stage, (width, side) in enumerate(zip(small.options.widths, (56, 28, 14, 7)), start=1):
        assert f"stage {stage}" in said and f"{width} x {side} x {side}" in said
    for words in ("2-2-4-2", "2-3-10-3", "sign(x + b)", "popcount", "Uni-shortcut", "RPReLU", "7 x 7 / 4"):
        assert words in said
    assert run(network.main, [str(tmp_path)]) == 0
    backgrounds = []
    for theme in ("light", "dark"):
        with Image.open(tmp_path / f"network-{theme}.png") as picture:
            assert picture.size == Image.open(ROOT / "docs" / f"network-{theme}.png").size
            pixels = np.asarray(picture.convert("L"), float)
            backgrounds.append(np.median(pixels))
    assert backgrounds[0] > 240 and backgrounds[1] < 30


def test_the_pictures_of_whole_networks_are_those_of_their_graphs():
    network = create_model("bimlp_s", backend="plain").set_train(False)
    with Image.open(ROOT / "docs" / "graph-bimlp_s.png") as picture:
        assert picture.size == picture_of(trace(network, image_size_of("bimlp_s")), "bimlp_s").size


def test_pictures_of_the_pages_are_small():
    graphs = ("graph-bimlp_s", "graph-wave_mlp_t", "graph-resnet18")
    for picture in ("network-light", "network-dark", "engine", "prediction", *graphs):
        assert 1_000 < (ROOT / "docs" / f"{picture}.png").stat().st_size < MAX_BYTES
