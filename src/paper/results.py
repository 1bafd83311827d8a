"""Results of a table's trained rows: Markdown, JSON and a picture, the paper's ImageNet figures beside them."""

import json
import statistics
from functools import partial

from src.common.figures import new_figure, write_figure
from src.common.files import write_atomic
from src.common.markdown import markdown_table


def mean_of(figures, key):
    """Mean over the seeds, or None where the row has no such figure."""
    values = [each[key] for each in figures if key in each]
    return statistics.fmean(values) if values else None


def places(values):
    """1 for the highest value, equal ones share a place; None for None."""
    known = sorted((value for value in values if value is not None), reverse=True)
    return [None if value is None else known.index(value) + 1 for value in values]


def result_table(results, ops=None):
    """The Markdown table of (row, figures per seed). ops: OPs by the row's name, as a column, or None for no such column."""
    means = [mean_of(figures, "top1") for _, figures in results]
    printed = [row.printed.get("top1") for row, _ in results]
    columns = {
        "row": [row.name for row, _ in results],
        "OPs (1e6)": ops and [f"{ops[row.name] / 1e6:.2f}" for row, _ in results],
        "top-1 here": [percent(mean) for mean in means],
        "lowest to highest": [spread([each["top1"] for each in figures]) for _, figures in results],
        "seeds": [str(len(figures)) for _, figures in results],
        "step 1": [percent(mean_of(figures, "step1_top1")) for _, figures in results],
        "teacher": [percent(mean_of(figures, "teacher_top1")) for _, figures in results],
        "place here": map(str, places(means)),
    }
    if any(value is not None for value in printed):
        columns["paper's ImageNet top-1"] = ["-" if value is None else f"{value:.1f}" for value in printed]
        columns["place in the paper"] = ["-" if place is None else str(place) for place in places(printed)]
    columns = {name: values for name, values in columns.items() if values is not None}
    return markdown_table(tuple(columns), tuple(zip(*columns.values())), ("row",))


def spread(shares):
    """The lowest and the highest of shares, as per cent."""
    return f"{percent(min(shares))} to {percent(max(shares))}"


def percent(share):
    """A share as per cent with one digit, "-" for none."""
    return "-" if share is None else f"{100 * share:.1f}"


def write_results(folder, name, title, about, results, ops=None):
    """Write name.md, name.json and name.png into a folder, each whole or not at all.

    about: a sentence on data, epochs and seeds. ops: as in `result_table`; with them the picture is over the OPs.
    """
    text = f"{title}\n\n{about}\n\n{result_table(results, ops)}\n"
    write_atomic(folder / f"{name}.md", text)
    data = {
        "title": title.lstrip("# "),
        "about": about,
        "rows": [
            {
                "name": row.name,
                "precision": row.precision,
                "settings": row.settings,
                "paper_imagenet_top1": row.printed.get("top1"),
                **({"ops": ops[row.name]} if ops else {}),
                "top1_mean": mean_of(figures, "top1"),
                "seeds": figures,
            }
            for row, figures in results
        ],
    }
    write_atomic(folder / f"{name}.json", json.dumps(data, indent=2, allow_nan=False) + "\n")
    draw(folder / f"{name}.png", title.lstrip("# "), about, results, ops)


def draw(path, title, about, results, ops=None):
    """Write the picture of a table's results. Arguments as in `write_results`."""
    make = partial(_over_ops, ops) if ops else _side_by_side
    write_figure(path, make, title, about, results)


def _over_ops(ops, title, about, results):
    """The figure of top-1 over OPs: a point for each row at its mean, whiskers from the lowest to the highest seed."""
    figure = new_figure(8, 5)
    axes = figure.subplots()
    for row, figures in results:
        x, mean, (low, high) = ops[row.name] / 1e6, *summary_of(figures)
        axes.errorbar([x], [mean], yerr=[[low], [high]], fmt="o", capsize=3)
        axes.annotate(row.name, (x, mean), xytext=(7, -3), textcoords="offset points", fontsize=9)
    axes.margins(x=0.25, y=0.15)
    axes.set_xlabel("OPs of one image, 1e6: FLOPs + BOPs / 64")
    axes.set_ylabel("top-1, %")
    axes.set_title(about, fontsize=8, wrap=True)
    axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    return figure


def summary_of(figures):
    """(mean, (its distance to the lowest, to the highest)) of the seeds' top-1, in per cent."""
    mean = 100 * mean_of(figures, "top1")
    values = [100 * each["top1"] for each in figures]
    return mean, (mean - min(values), max(values) - mean)


def _side_by_side(title, about, results):
    """The figure of one or two panels of points: here (mean, whisker from lowest to highest seed), the paper's of ImageNet.

    Points and not bars, for the axes do not begin at 0.
    """
    names = [row.name for row, _ in results]
    printed = [row.printed.get("top1") for row, _ in results]
    known = [value for value in printed if value is not None]
    figure = new_figure(10, 1.6 + 0.42 * len(results))
    panels = figure.subplots(1, 1 + bool(known), sharey=True, squeeze=False)[0]
    means, whiskers = zip(*(summary_of(figures) for _, figures in results))
    panels[0].errorbar(means, names, xerr=list(zip(*whiskers)), fmt="o", color="tab:blue", capsize=3)
    frame(panels[0], means, f"here: {about}")
    if known:
        points = [float("nan") if value is None else value for value in printed]
        panels[1].plot(points, names, "o", color="tab:gray")
        frame(panels[1], known, "the paper: ImageNet, another data set")
    panels[0].invert_yaxis()
    figure.suptitle(title, fontsize=10)
    return figure


def frame(axes, values, label):
    """Limits around the values, in per cent, and the labels of a panel."""
    margin = max(2.0, 0.5 * (max(values) - min(values)))
    axes.set_xlim(max(0, min(values) - margin), min(100, max(values) + margin))
    axes.set_xlabel("top-1, %")
    axes.set_title(label, fontsize=8, wrap=True)
    axes.grid(alpha=0.3)
