"""Figures as PNG files, drawn the same whatever the user's own settings of matplotlib (matplotlibrc) are.

Those may ask for LaTeX or fonts that are not there. matplotlib is imported in the functions, for it takes a while.
"""

import os
from pathlib import Path

from src.common.errors import InputError
from src.common.files import replacing

DOTS_PER_INCH = 100


def write_figure(path, make, *arguments, dots_per_inch=DOTS_PER_INCH):
    """Write the Figure make(*arguments) to the PNG file `path`, whole or not at all.

    It is made and drawn with matplotlib's own defaults, and the user's settings are back afterwards.

    Raises:
        InputError: the file cannot be written, as `replacing`.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = make(*arguments)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=dots_per_inch, format="png")


def check_png(flag, path):
    """Raises InputError unless a flag's path ends in .png and can be a file in a folder that is there."""
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"{flag}: expected a name that ends in .png, got {path}")
    if os.path.isdir(path) or not os.path.isdir(Path(path).parent):
        raise InputError(f"{flag}: expected the name of a file in a folder that is there, got {path}")


def new_figure(width, height, **settings):
    """An empty Figure of width x height inches on a canvas of its own, so that no window is ever opened.

    settings: further arguments of matplotlib's Figure, as facecolor.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", **settings)
    FigureCanvasAgg(figure)
    return figure
