"""Settings of the framework for all tests."""

import atexit
import os
import resource
import sys
from pathlib import Path

import pytest

os.environ.setdefault("GLOG_v", "3")
os.umask(0o022)  # some tests look at the modes of files


# of two processes none is left alone with them at the end
LONGEST_FIRST = ("faults", "commands", "paper", "cost", "engine")


@atexit.register
def end_quietly():
    """Cells that are still there when the interpreter is taken apart complain, in thousands of lines."""
    nn = sys.modules.get("mindspore.nn")
    if nn is not None:
        nn.Cell.__del__ = lambda cell: None


def pytest_collection_modifyitems(items):
    """Folders in the order of LONGEST_FIRST, then the others."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent, len(places)))


def pytest_addoption(parser):
    parser.addoption(
        "--soak", action="store_true", help="tests/faults: every fault as often as docs/reliability.md says"
    )
    parser.addoption(
        "--report", type=Path, help="tests/faults: JSON lines of what was done are added to this file"
    )


@pytest.fixture
def full_disk():
    """Any write beyond the first 10,000 bytes of a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
