"""Tables as Markdown that reads well as plain text too."""


def markdown_table(header, rows, text_columns=()):
    """A table whose columns are padded to equal widths: texts to the left, all others to the right.

    Args: header: titles; rows: a text per column each; text_columns: the titles of columns that hold text.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    left = [title in text_columns for title in header]
    rules = ["-" * width if text else "-" * (width - 1) + ":" for width, text in zip(widths, left)]
    lines = []
    for cells in (header, rules, *rows):
        padded = (c.ljust(w) if text else c.rjust(w) for c, w, text in zip(cells, widths, left))
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join(lines)
