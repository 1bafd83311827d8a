"""The cost of a table's rows beside the paper's."""

from src.common.markdown import markdown_table
from src.paper.rows import UNITS

DECIMALS = 2  # printed by the paper
NOT_BUILT = "not built here"


def cost_rows(table, totals_of):
    """For each row of a table: (row, its network's FLOPs, BOPs and OPs by the table's rule, or None where it is not built).

    totals_of: (network's name, precision, overrides of the model section) -> the totals of a network's cost, or None.
    """
    suffix = "_macs" if table.macs_alone else ""
    for row in table.rows:
        overrides = [
            f"{key}={as_text(value)}" for key, value in row.settings.items() if key.startswith("model.")
        ]
        totals = totals_of(row.network, row.precision, tuple(overrides))
        yield row, totals and {column: totals[column + suffix] for column in UNITS}


def as_text(value):
    """A setting's value as on the command line."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def verdict(row, totals):
    """In words, whether the costs agree with the printed ones to the printed digits, and where not, why."""
    if totals is None:
        return NOT_BUILT
    compared = [column for column in UNITS if column in row.printed]
    wrong = [
        c for c in compared if f"{totals[c] / UNITS[c]:.{DECIMALS}f}" != f"{row.printed[c]:.{DECIMALS}f}"
    ]
    words = [f"{c.upper().replace('OPS', 'OPs')} DIFFER: {row.notes.get(c, 'unexplained')}" for c in wrong]
    if compared and not wrong:
        words = ["agree"]
    return "; ".join(words) if words else "no cost printed"


def cost_table(table, totals_of):
    """The Markdown table: ours and the paper's FLOPs, BOPs and OPs, the paper's accuracy, and the verdict.

    totals_of: see `cost_rows`.
    """
    columns = [
        c for c in ("flops", "bops", "ops", "top1", "top5") if any(c in row.printed for row in table.rows)
    ]
    names = {
        "flops": "FLOPs (1e8)",
        "bops": "BOPs (1e9)",
        "ops": "OPs (1e8)",
        "top1": "top-1",
        "top5": "top-5",
    }
    header = ["row"]
    for column in dict.fromkeys([*UNITS, *columns]):
        if column in UNITS:
            header.append(f"{names[column]} ours")
        if column in columns:
            header.append(f"{names[column]} paper")
    rows = []
    for row, totals in cost_rows(table, totals_of):
        cells = [row.name]
        for column in dict.fromkeys([*UNITS, *columns]):
            if column in UNITS:
                cells.append("-" if totals is None else f"{totals[column] / UNITS[column]:.4f}")
            if column in columns:
                printed = row.printed.get(column)
                digits = DECIMALS if column in UNITS else 1
                cells.append("-" if printed is None else f"{printed:.{digits}f}")
        rows.append((*cells, verdict(row, totals)))
    return markdown_table((*header, "costs"), rows, ("row", "costs"))


def costs_text(number, table, totals_of):
    """One table's costs with its title and notes, Markdown. totals_of: see `cost_rows`."""
    about_rows = [f"{row.name}: {row.notes['top1']}." for row in table.rows if "top1" in row.notes]
    notes = filter(None, (table.note, *about_rows))
    return "\n\n".join((heading(number, table), cost_table(table, totals_of), *notes))


def heading(number, table):
    """The title of a table in Markdown."""
    kind = f"Fig. {number[3:]}" if number.startswith("fig") else f"Table {number}"
    return f"### {kind}: {table.title}"
