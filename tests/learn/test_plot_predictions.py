"""The picture of predictions: what it says, of any names, and its size."""

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from src.learn.plot_predictions import draw_predictions, drawable, prediction_figure, shortened

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def record(*names):
    """Classes of 0.5, 0.25, .."""
    return [{"class": i, "name": name, "probability": 0.5 ** (i + 1)} for i, name in enumerate(names)]


def texts(figure):
    """All texts of a figure that are not empty, sub-figures included."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_every_class_is_a_bar_of_its_probability_with_its_name():
    figure = prediction_figure([("seven.png", PIXELS, record("7", "1", "nine"))])
    pixels, bars = figure.subfigs[0].axes
    assert (pixels.images[0].get_array() == PIXELS).all()
    assert [bar.get_width() for bar in bars.patches] == [0.5, 0.25, 0.125]
    tops = [bar.get_y() for bar in bars.patches]
    assert tops == sorted(tops) and bars.get_xlim() == (0, 1)
    assert bars.yaxis_inverted()  # the first class is on top
    said = texts(figure)
    assert [word for word in said if word in ("7", "1", "nine")] == ["7", "1", "nine"]
    assert {"seven.png", "0.5000", "0.2500", "0.1250"} <= set(said)


@pytest.mark.filterwarnings("error")  # as of characters that no font has
def test_any_name_is_drawn_as_it_is_written(tmp_path):
    names = ["$x^2$", "$\\frac{$", "a\nb\x1b", "\udcff", "\U0010ffff"]
    pictures = [("$_$.png", PIXELS, record(*names))]
    said = texts(prediction_figure(pictures))
    assert {"$_$.png", "$x^2$", "$\\frac{$", "a\\nb\\x1b", "\\udcff", "\\U0010ffff"} <= set(said)
    draw_predictions(tmp_path / "out.png", pictures)  # as mathematics "$\frac{$" could not be drawn
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (560, 240)


def test_a_character_of_the_font_stays_and_another_one_is_an_escape():
    assert drawable("é ж 7") == "é ж 7"
    assert drawable("\U000e0041") == "\\U000e0041"


def test_long_texts_lose_their_middle_until_they_fit():
    assert shortened("short", 9, 2.0) == "short"
    narrow, wide = (shortened(letter * 500, 9, 2.0) for letter in "iW")
    assert narrow.startswith("iii") and "..." in narrow and narrow.endswith("i")
    assert len(wide) < len(narrow) < 120
    figure = prediction_figure([("t" * 999, PIXELS, record("W" * 999, "i" * 999))] * 2)
    figure.draw_without_rendering()
    for cell in figure.subfigs:
        title, bars = cell._suptitle, cell.axes[1]
        assert title.get_window_extent().x0 >= cell.bbox.x0 and title.get_window_extent().x1 <= cell.bbox.x1
        names, shares = bars.texts[::2], bars.texts[1::2]
        for name, share in zip(names, shares):
            assert name.get_window_extent().x1 < share.get_window_extent().x0


@pytest.mark.parametrize(
    "count,size", [(1, (560, 240)), (4, (560, 960)), (5, (1120, 720)), (16, (1120, 1920))]
)
def test_pictures_stand_in_a_grid(count, size, tmp_path):
    pictures = [(f"{i}.png", PIXELS, record("a")) for i in range(count)]
    with matplotlib.rc_context({"text.usetex": True, "savefig.bbox": "tight", "figure.dpi": 7}):
        draw_predictions(tmp_path / "out.png", pictures)
    assert Image.open(tmp_path / "out.png").size == size
