"""Pictures that do not depend on the user's settings of matplotlib, wherever they are drawn."""

import matplotlib
import pytest

from src.common.errors import InputError
from src.common.figures import new_figure, write_figure
from src.paper.results import draw
from src.paper.tables import TABLES

ODD = {"text.usetex": True, "font.family": "No Such Font", "figure.dpi": 7, "savefig.bbox": "tight"}


def titled(title):
    figure = new_figure(2, 1)
    figure.suptitle(title)
    return figure


def test_the_users_settings_neither_count_nor_change(tmp_path):
    write_figure(tmp_path / "own.png", titled, "a_b")
    with matplotlib.rc_context(ODD):
        write_figure(tmp_path / "odd.png", titled, "a_b")
        assert matplotlib.rcParams["text.usetex"] and matplotlib.rcParams["figure.dpi"] == 7
    assert (tmp_path / "odd.png").read_bytes() == (tmp_path / "own.png").read_bytes()


def test_a_figure_that_cannot_be_drawn_leaves_nothing(tmp_path):
    with pytest.raises(ValueError):
        write_figure(tmp_path / "out.png", titled, "$\\frac{$")
    with pytest.raises(InputError, match="none/out.png: cannot be written: No such file"):
        write_figure(tmp_path / "none" / "out.png", titled, "title")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", ["5", "fig4", "fig1"])
def test_the_picture_of_a_table_is_drawn_without_latex(number, tmp_path):
    rows = [(row, [{"top1": 0.5}]) for row in TABLES[number].rows]
    ops = {row.name: 1e6 for row, _ in rows} if TABLES[number].against_ops else None
    with matplotlib.rc_context(ODD):
        draw(tmp_path / "table.png", "Table_5", "100 % of_it", rows, ops)
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
