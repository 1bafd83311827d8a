"""How often a fault is tried, and the report of what came of it."""

import json
import time

import pytest


@pytest.fixture
def often(request):
    """often(short, soak): the one number, or with --soak the other."""
    return lambda short, soak: soak if request.config.getoption("--soak") else short


@pytest.fixture
def tell(request):
    """tell(fault, done, times, lost) adds a row to the --report file, if one is given; only a test that has passed its
    checks calls it, so that the report holds what was seen."""
    began = time.monotonic()

    def row(fault, done, times, lost="nothing"):
        path = request.config.getoption("--report")
        if path is not None:
            seconds = round(time.monotonic() - began)
            command = f"python -m pytest --soak {request.node.nodeid.partition('[')[0]}"
            facts = dict(fault=fault, done=done, times=times, lost=lost, seconds=seconds, command=command)
            with open(path, "a") as file:
                file.write(json.dumps(facts) + "\n")

    return row
