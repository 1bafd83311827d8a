"""Streams that are closed, full or without a reader: remarks are lost in silence, results never are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAYS = """
import contextlib, os, sys
from src.settings.command_line import create_parser, parse, run
from src.common.output import expect_stdout, remark, result, warn

def main(argv):
    parse(create_parser("eval.py", "Evaluate."), argv[1:])
    if argv[0] == "results":
        expect_stdout()
    for number in range(5000):
        warn(f"remark {number}")
        (result if argv[0] == "results" else remark)(f"line {number}")
    opened = open(sys.executable, "rb").fileno()
    os._exit(99) if opened < 3 else None
    with contextlib.suppress(OSError):
        os.write(2, b"a line of a library")

sys.exit(run(main))
"""
FULL = "/dev/full"


def start(*arguments, closed=(), **streams):
    """The finished process of a command that says much; `closed`: descriptors that it begins without."""

    def close():
        for descriptor in closed:
            os.close(descriptor)

    command = [sys.executable, "-c", SAYS, *arguments]
    return subprocess.run(command, cwd=ROOT, preexec_fn=close, text=True, check=False, **streams)


def piped(*arguments, **streams):
    """The same, its stdout a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return start(*arguments, stdout=writing, **streams)
    finally:
        os.close(writing)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_remarks_on_closed_streams_are_lost_and_no_file_gets_their_descriptors(closed):
    done = start("remarks", closed=closed, capture_output=True)
    assert done.returncode == 0
    assert ("line 4999\n" in done.stdout) == (1 not in closed)
    assert ("remark 4999\n" in done.stderr) == (2 not in closed)


def test_remarks_on_a_full_disk_or_without_a_reader_are_lost():
    with open(FULL, "w") as full:
        assert start("remarks", stdout=full, stderr=full).returncode == 0
        assert piped("remarks", stderr=full).returncode == 0


def test_results_on_a_closed_stream_or_a_full_disk_are_an_error():
    done = start("results", closed=(1,), stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "error: standard output: expected a stream for the results, got a closed one\n"
    with open(FULL, "w") as full:
        for stderr in (subprocess.PIPE, full):
            done = start("results", stdout=full, stderr=stderr)
            assert done.returncode == 2
            if stderr is not full:
                error = "standard output: the results cannot be written: No space left on device"
                assert done.stderr == f"remark 0\nerror: {error}\n"


def test_a_reader_that_has_gone_ends_results_without_a_word():
    done = piped("results", stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (141, "remark 0\n")


def test_results_need_no_stderr():
    done = start("results", closed=(2,), stdout=subprocess.PIPE)
    assert done.returncode == 0 and done.stdout.count("\n") == 5000


def test_help_is_a_result():
    with open(FULL, "w") as full:
        assert start("results", "--help", stdout=full, stderr=full).returncode == 2
    assert piped("results", "--help").returncode == 141
    done = start("results", "--help", stdout=subprocess.PIPE)
    assert done.returncode == 0 and done.stdout.endswith("\n") and "train.eps=" in done.stdout
