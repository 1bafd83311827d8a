"""What a stage writes about its epochs: metrics.jsonl and the curves drawn from it."""

from src.files import append_json_line, read_json_lines, write_atomic

from .curves import draw_stage

METRICS, CURVES = "metrics.jsonl", "curves.png"


def write_record(folder, title, record):
    """Add the record of an epoch to metrics.jsonl in `folder`, and draw the curves anew.

    Records of that epoch and later ones, which a process may have written that was killed before it saved its run
    state, are dropped.
    """
    path = folder / METRICS
    found = read_json_lines(path) if path.exists() else []
    records = found[: record["epoch"] - 1]
    if len(records) < len(found):
        write_atomic(path, "")
        for each in records:
            append_json_line(path, each)
    append_json_line(path, record)
    draw_stage(folder / CURVES, [*records, record], title)
