"""Records of a stage's epochs: metrics.jsonl and the curves drawn from it."""

import json
import math

from src.common.errors import InputError
from src.common.files import append_json_line, read_json_lines, write_atomic
from src.common.text import cut

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
                f"{path}, line {number}: expected the record of an epoch, got {cut(str(record), 40)}"
            )
        last = epoch
    return records


def _is_number(value):
    return type(value) in (int, float) and math.isfinite(value)


def write_record(folder, record):
    """Add the record of an epoch to metrics.jsonl in `folder`; returns it as it is written there.

    Records of that epoch and later ones, which a process may have written that was killed before it saved its run
    state, are dropped. Figures that the epoch lacks, NaN, and infinities are left out: JSON has no words for them.
    """
    record = {name: value for name, value in record.items() if math.isfinite(value)}
    path, found = folder / METRICS, read_records(folder)
    records = [each for each in found if each["epoch"] < record["epoch"]]
    if len(records) < len(found):
        write_atomic(path, "".join(json.dumps(each, allow_nan=False) + "\n" for each in records))
    append_json_line(path, record)
    return record


def draw_curves(folder, title):
    """Draw curves.png in `folder` from its metrics.jsonl. Raises InputError as `read_records` and `replacing`."""
    draw_stage(folder / CURVES, read_records(folder), title)


def curves_are_old(folder):
    """True where curves.png is missing or older than metrics.jsonl: a process was killed between the two."""
    metrics, curves = folder / METRICS, folder / CURVES
    if not metrics.is_file():
        return False
    return not curves.is_file() or curves.stat().st_mtime_ns < metrics.stat().st_mtime_ns
