"""docs/reliability.md shows the report that lies beside it."""

import re
import subprocess
import sys

import pytest

from tests.faults.jobs import ROOT


def test_the_table_is_that_of_the_report():
    command = [sys.executable, "scripts/soak_table.py", "docs/soak.jsonl"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout in (ROOT / "docs/reliability.md").read_text()


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
