#!/usr/bin/env python
"""The table of docs/reliability.md from a report of scripts/run_soak.sh: python scripts/soak_table.py docs/soak.jsonl."""

import itertools
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.common.errors import InputError
from src.common.files import read_json_lines
from src.common.markdown import markdown_table
from src.common.output import result
from src.settings.command_line import run

HEADER = ("fault", "what was done", "times", "what was lost", "minutes", "command")


def merged(texts):
    """Different texts as one: numbers side by side where nothing else differs, else the differing middles one by one."""
    words = [text.split() for text in dict.fromkeys(texts)]
    columns = [list(dict.fromkeys(column)) for column in zip(*words)]
    if len({len(each) for each in words}) == 1 and all(len(c) == 1 or all(map(_number, c)) for c in columns):
        return " ".join("/".join(column) for column in columns)
    start = len(os.path.commonprefix(words))
    end = len(os.path.commonprefix([each[start:][::-1] for each in words]))
    middles = [" ".join(each[start : len(each) - end]) for each in words]
    comma = "," if all(middle.endswith(",") for middle in middles) else ""
    middle = " / ".join(middle.removesuffix(comma) for middle in middles) + comma
    return " ".join([*words[0][:start], middle, *words[0][len(words[0]) - end :]])


def _number(word):
    return word.strip("-,").isdecimal()


def table(path):
    """Markdown, a row for each command of the report. Raises InputError: no such file."""
    records = sorted(read_json_lines(path), key=lambda record: record["command"])
    rows = []
    for command, group in itertools.groupby(records, lambda record: record["command"]):
        group = list(group)
        times = sum(record["times"] for record in group)
        minutes = sum(record["seconds"] for record in group) / 60
        texts = [merged(record[name] for record in group) for name in ("fault", "done", "lost")]
        rows.append((*texts[:2], f"{times:,}", texts[2], f"{minutes:.1f}", f"`{command}`"))
    return markdown_table(HEADER, rows, text_columns=("fault", "what was done", "what was lost", "command"))


def main(argv):
    if len(argv) != 1:
        raise InputError("soak_table.py: expected one file, as scripts/run_soak.sh writes it")
    result(table(argv[0]))


if __name__ == "__main__":
    sys.exit(run(main))
