"""docs/reliability.md shows the report that lies beside it."""

import re
import subprocess
import sys

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


def test_a_report_that_is_not_there_is_one_line():
    done = subprocess.run(
        [sys.executable, "scripts/soak_table.py", "nothing.jsonl"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith("error: nothing.jsonl: ")
    assert done.stderr.count("\n") == 1
