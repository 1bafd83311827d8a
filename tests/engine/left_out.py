"""Tests that an emulator leaves out, each by its reason."""

import pytest

from tests.engine.emulator import EMULATOR


def not_emulated(reason):
    """Mark of a test that an emulator leaves out."""
    return pytest.mark.skipif(bool(EMULATOR), reason=f"emulator: {reason}")


def skip_emulated(reason):
    """Skip the test of a fixture, as `not_emulated`."""
    if EMULATOR:
        pytest.skip(f"emulator: {reason}")


OF_MEMORY = not_emulated("the memory is the emulator's as well")
OF_TIME = not_emulated("the time is the emulator's")
OF_PYTHON = not_emulated("a Python of this machine cannot load the engine")
