"""docs/reliability.md shows the report that lies beside it."""

import re
import subprocess
import sys

import pytest

from scripts.soak_table import merged
from tests.faults.jobs import ROOT


def test_the_table_is_that_of_the_report():
    command = [sys.executable, "scripts/soak_table.py", "docs/soak.jsonl"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout in (ROOT / "docs/reliability.md").read_text()


@pytest.mark.parametrize(
    "texts, expected",
    [
        (["nothing", "nothing"], "nothing"),
        (["at most 20 steps", "at most 3 steps"], "at most 20/3 steps"),
        (["7 taken, 1 refused", "7 taken, 12 refused"], "7 taken, 1/12 refused"),
        (
            ["SIGKILL to script, 2 workers", "SIGKILL to msrun, 2 workers"],
            "SIGKILL to script / msrun, 2 workers",
        ),
        (["a state per epoch", "a state every 3 steps"], "a state per epoch / every 3 steps"),
        (["one killed", "all of them killed"], "one / all of them killed"),
    ],
)
def test_rows_of_one_command_are_told_as_one(texts, expected):
    assert merged(texts) == expected


def test_every_command_of_the_table_names_a_test():
    for name in re.findall(r"--soak (\S+?)`", (ROOT / "docs/reliability.md").read_text()):
        path, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / path).read_text()


@pytest.mark.parametrize(
    "command, message",
    [
        (["soak_table.py", "nothing.jsonl"], "error: nothing.jsonl: "),
        (["soak_table.py"], "error: soak_table.py: expected one file"),
        (
            ["compare_packed.py", "one.ckpt"],
            "error: compare_packed.py: expected a checkpoint and its packed file",
        ),
    ],
)
def test_scripts_say_in_one_line_what_they_expect(command, message):
    script, *arguments = command
    done = subprocess.run(
        [sys.executable, f"scripts/{script}", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith(message) and done.stderr.count("\n") == 1
