"""What a stage writes about its epochs: metrics.jsonl and the curves drawn from it."""

import json
import math

from src.errors import InputError
from src.files import append_json_line, read_json_lines, write_atomic
from src.text import cut

from .curves import draw_stage

METRICS, CURVES = "metrics.jsonl", "curves.png"


def read_records(folder):
    """The records of metrics.jsonl in `folder`, a list; empty where there is no such file.

    Raises:
        InputError: it cannot be read, or a line is no record: names and finite numbers, among them top-1 and the epoch,
            which is greater than the one before. Path and line are named.
    """
    path, last = folder / METRICS, 0
    records = read_json_lines(path) if path.exists() else []
    for number, record in enumerate(records, start=1):
        fits = isinstance(record, dict) and "top1" in record and all(map(_is_number, record.values()))
        epoch = record.get("epoch") if fits else None
        if not isinstance(epoch, int) or epoch <= last:
            raise InputError(
                f"{path}, line {number}: expected the record of an epoch, came {cut(str(record), 40)}"
            )
        last = epoch
    return records


def _is_number(value):
    return type(value) in (int, float) and math.isfinite(value)


def write_record(folder, title, record):
    """Add the record of an epoch to metrics.jsonl in `folder`, and draw the curves anew.

    Records of that epoch and later ones, which a process may have written that was killed before it saved its run
    state, are dropped. Figures that the epoch lacks, NaN, are left out.
    """
    record = {name: value for name, value in record.items() if not math.isnan(value)}
    path, found = folder / METRICS, read_records(folder)
    records = [each for each in found if each["epoch"] < record["epoch"]]
    if len(records) < len(found):
        write_atomic(path, "".join(json.dumps(each) + "\n" for each in records))
    append_json_line(path, record)
    draw_stage(folder / CURVES, [*records, record], title)
