"""Picture of a graph: its labels, colours and limits."""

import numpy as np
import pytest
from PIL import Image

from src.common.errors import InputError
from src.common.themes import THEMES
from src.graph import draw
from src.graph.boxes import Reading, parts_of
from src.graph.draw import drawings_of, label_of, picture_of, places_of, write_picture
from tests.graph.layered import Layers, layered

COLOURS = {kind: tuple(bytes.fromhex(code[1:])) for kind, code in THEMES["light"].items()}


def shares(picture):
    """Share of a picture's pixels that have each colour of the theme."""
    pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    return {kind: (pixels == colour).all(1).mean() for kind, colour in COLOURS.items()}


def words(label):
    return [line for line, _, _ in label.lines]


def test_labels_tell_name_operations_shape_and_weights():
    graph = layered()
    reading, (overview, details) = Reading(graph), parts_of(graph)
    stem, stage, down, *_ = (label_of(reading, box) for box in overview)
    assert words(stem) == ["stem", "conv2d 1x1, affine", "4x8x8", "12 weights"] and stem.kind == "full"
    assert (
        words(stage) == ["stages.0.0 x 2", "5 layers", "4x8x8", "32 1-bit weights"] and stage.kind == "bits"
    )
    assert words(down)[-2:] == ["8x8x8", "32 1-bit weights"] and down.loop and not stage.loop
    norm, left, *_, residual = (label_of(reading, box) for box in details[0].boxes)
    assert words(norm) == ["norm", "affine", "4x8x8"] and norm.kind == "back" and not norm.loop
    assert left.loop and left.size[0] > left.width
    assert words(residual) == ["+"]


def test_drawings_have_an_input_and_an_output_and_every_line():
    whole, block = drawings_of(layered(), "net")
    assert (whole.title, block.title) == ("net", "stages.0.0 x 2")
    assert block.remark == "with other sizes: stages.1.0"
    assert words(whole.labels[0]) == ["input", "3x8x8"] and words(whole.labels[-1]) == ["output"]
    arrows = [box for _, box in block.layout.lines if box is not None]
    # norm, left, right and output have one arrow each, the merge and the residual two
    assert sorted(arrows) == [1, 2, 3, 4, 4, 5, 5, 6]


def test_binary_and_full_precision_boxes_have_their_colours():
    found = shares(picture_of(layered(), "net"))
    assert found["bits"] > 0.05 and found["full"] > 0.005 and found["back"] > 0.5 and found["ink"] > 0.01
    net = Layers()
    net.conv("head", "conv2d", net.add("mean", "global_mean", 0), 10)
    found = shares(picture_of(net.builder.graph(), "net"))
    assert found["bits"] == 0 and found["full"] > 0.005


def test_drawings_stand_beside_the_first_in_rows():
    assert places_of([(100, 900), (600, 50), (600, 70), (600, 90)]) == [
        (0, 0),
        (150, 0),
        (800, 0),
        (150, 120),
    ]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_picture(tmp_path / "n.png", layered(), "net")
    with Image.open(tmp_path / "n.png") as picture:
        assert picture.format == "PNG" and picture.size[0] > 300
    monkeypatch.setattr(draw, "MAX_AREA", 1000)
    with pytest.raises(
        InputError, match="net: expected a network that fits a picture, got 1 kinds of blocks"
    ):
        write_picture(tmp_path / "m.png", layered(), "net")
    assert [path.name for path in tmp_path.iterdir()] == ["n.png"]
