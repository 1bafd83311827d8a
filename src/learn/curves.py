"""Curves over the epochs, as PNG files: curves.png of one stage, and those of several runs in one picture."""

import numpy as np

from src.common.figures import new_figure, write_figure

PANEL_SIZE = 4.0, 3.6  # inches
COLUMNS = 3
GRADIENT_NORM = "gradient norm before clipping"
LOGARITHMIC = {GRADIENT_NORM}  # it spans powers of ten
COLORS = 10  # lines told apart by colour alone; further ones by dashes as well


def draw_stage(path, records, title):
    """Draw one stage's metrics records: loss, accuracy and flip ratio, each panel with its own legend."""
    panels = {
        "loss": {"training": "train_loss"},
        "accuracy": {
            "training top-1": "train_top1",
            "validation top-1": "top1",
            "validation top-5": "top5",
        },
        "flip ratio per epoch": {"binary weights": "flip_ratio"},
    }
    lines = {
        label: {name: curve(records, key) for name, key in keys.items()} for label, keys in panels.items()
    }
    _draw(path, lines, title, shared_legend=False)


def draw_runs(path, runs):
    """Draw several runs, a dict from name to metrics records, one line each in every panel."""
    panels = {
        "training loss": ("train_loss", 1),
        "validation top-1": ("top1", 1),
        GRADIENT_NORM: ("gradient_norm", 1),
        "flip ratio per epoch": ("flip_ratio", 1),
        "ms per step": ("step_seconds", 1000),
        "images/s": ("images_per_second", 1),
    }
    lines = {
        label: {name: curve(records, key, scale) for name, records in runs.items()}
        for label, (key, scale) in panels.items()
    }
    _draw(path, lines, None, shared_legend=True)


def curve(records, key, scale=1):
    """(epochs, values times scale) of the records; NaN, which is not drawn, where a record lacks the key."""
    values = np.array([record.get(key, np.nan) for record in records], float)
    return [record["epoch"] for record in records], values * scale


def _draw(path, panels, title, shared_legend):
    """panels: dict from a panel's title to its lines, dict from name to (x, y)."""
    write_figure(path, _figure, panels, title, shared_legend)


def _figure(panels, title, shared_legend):
    """The drawn figure."""
    import matplotlib
    from cycler import cycler

    rows = -(-len(panels) // COLUMNS)
    figure = new_figure(COLUMNS * PANEL_SIZE[0], rows * PANEL_SIZE[1])
    styles = cycler(linestyle=["-", "--", ":", "-."]) * cycler(
        color=matplotlib.colormaps["tab10"].colors[:COLORS]
    )
    for axes, (label, lines) in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, panels.items()):
        axes.set_prop_cycle(styles)
        for name, (x, y) in lines.items():
            axes.plot(x, y, marker=".", label=name)
        if label in LOGARITHMIC:
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title(label)
        axes.grid(alpha=0.3)
        if not shared_legend:
            axes.legend()
    if shared_legend:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=COLUMNS)
    figure.suptitle(title)
    return figure
