#!/usr/bin/env python
"""The table of docs/reliability.md from a report of scripts/run_soak.sh: python scripts/soak_table.py docs/soak.jsonl."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.cli import run
from src.errors import InputError
from src.files import read_json_lines
from src.markdown import markdown_table

HEADER = ("fault", "what was done", "times", "what was lost", "minutes", "command")


def table(path):
    """Markdown, a row for each line of the report, sorted by command. Raises InputError: no such file."""
    records = sorted(read_json_lines(path), key=lambda record: (record["command"], record["fault"]))
    rows = [
        (
            record["fault"], record["done"], f"{record['times']:,}", record["lost"], f"{record['seconds'] / 60:.1f}",
            f"`{record['command']}`",
        )
        for record in records
    ]  # fmt: skip
    return markdown_table(HEADER, rows, text_columns=("fault", "what was done", "what was lost", "command"))


def main(argv):
    if len(argv) != 1:
        raise InputError("soak_table.py: expected one file, as scripts/run_soak.sh writes it")
    print(table(argv[0]))


if __name__ == "__main__":
    sys.exit(run(main))
