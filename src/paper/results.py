"""Results of a table's trained rows: Markdown, JSON and a picture, the paper's ImageNet figures beside them."""

import json
import statistics

from src.common.figures import new_figure, write_figure
from src.common.files import write_atomic
from src.common.markdown import markdown_table

HEADER = (
    "row", "top-1 here", "lowest to highest", "seeds", "step 1", "teacher", "place here", "paper's ImageNet top-1",
    "place in the paper",
)  # fmt: skip


def mean_of(figures, key):
    """Mean over the seeds, or None where the row has no such figure."""
    values = [each[key] for each in figures if key in each]
    return statistics.fmean(values) if values else None


def places(values):
    """1 for the highest value, equal ones share a place; None for None."""
    known = sorted((value for value in values if value is not None), reverse=True)
    return [None if value is None else known.index(value) + 1 for value in values]


def result_table(results):
    """The Markdown table of (row, figures per seed)."""
    means = [mean_of(figures, "top1") for _, figures in results]
    printed = [row.printed.get("top1") for row, _ in results]
    rows = []
    for (row, figures), mean, rank, theirs, their_rank in zip(
        results, means, places(means), printed, places(printed)
    ):
        all_top1 = [each["top1"] for each in figures]
        rows.append(
            (
                row.name,
                percent(mean),
                f"{percent(min(all_top1))} to {percent(max(all_top1))}",
                str(len(figures)),
                percent(mean_of(figures, "step1_top1")),
                percent(mean_of(figures, "teacher_top1")),
                str(rank),
                "-" if theirs is None else f"{theirs:.1f}",
                "-" if their_rank is None else str(their_rank),
            )
        )
    return markdown_table(HEADER, rows, ("row",))


def percent(share):
    """A share as per cent with one digit, "-" for none."""
    return "-" if share is None else f"{100 * share:.1f}"


def write_results(folder, name, title, about, results):
    """Write name.md, name.json and name.png into a folder, each whole or not at all.

    about: a sentence on data, epochs and seeds.
    """
    text = f"{title}\n\n{about}\n\n{result_table(results)}\n"
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
                "top1_mean": mean_of(figures, "top1"),
                "seeds": figures,
            }
            for row, figures in results
        ],
    }
    write_atomic(folder / f"{name}.json", json.dumps(data, indent=2, allow_nan=False) + "\n")
    draw(folder / f"{name}.png", title.lstrip("# "), about, results)


def draw(path, title, about, results):
    """Two panels of points: here (mean, whisker from lowest to highest seed), and the paper's ImageNet figures.

    Points and not bars, for the axes do not begin at 0.
    """
    write_figure(path, _figure, title, about, results)


def _figure(title, about, results):
    """The drawn figure."""
    figure = new_figure(10, 1.6 + 0.42 * len(results))
    ours, theirs = figure.subplots(1, 2, sharey=True)
    names = [row.name for row, _ in results]
    means = [100 * mean_of(figures, "top1") for _, figures in results]
    low = [mean - 100 * min(each["top1"] for each in figures) for mean, (_, figures) in zip(means, results)]
    high = [100 * max(each["top1"] for each in figures) - mean for mean, (_, figures) in zip(means, results)]
    ours.errorbar(means, names, xerr=[low, high], fmt="o", color="tab:blue", capsize=3)
    printed = [row.printed.get("top1") for row, _ in results]
    theirs.plot([float("nan") if value is None else value for value in printed], names, "o", color="tab:gray")
    for axes, values, label in (
        (ours, means, f"here: {about}"),
        (theirs, printed, "the paper: ImageNet, another data set"),
    ):
        known = [value for value in values if value is not None] or [0, 100]
        margin = max(2.0, 0.5 * (max(known) - min(known)))
        axes.set_xlim(max(0, min(known) - margin), min(100, max(known) + margin))
        axes.set_xlabel("top-1, %")
        axes.set_title(label, fontsize=8, wrap=True)
        axes.grid(alpha=0.3)
    ours.invert_yaxis()
    figure.suptitle(title, fontsize=10)
    return figure
