"""MindSpore's mode while a file is made, eager or compiled, and the folder of its reports."""

import contextlib
import os

import mindspore as ms

REPORTS = "MS_OM_PATH"  # the folder of rank_0/, where a failing compilation leaves its analysis; else the current one


@contextlib.contextmanager
def _mode(mode):
    before = ms.get_context("mode")
    ms.set_context(mode=mode)
    try:
        yield
    finally:
        ms.set_context(mode=before)


def eager():
    """Context manager: operations run one by one, nothing is compiled."""
    return _mode(ms.PYNATIVE_MODE)


def compiled():
    """Context manager: networks are compiled on their first call."""
    return _mode(ms.GRAPH_MODE)


@contextlib.contextmanager
def reports_in(folder):
    """Context manager: MindSpore's reports go to `folder`."""
    before = os.environ.get(REPORTS)
    os.environ[REPORTS] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[REPORTS]
        else:
            os.environ[REPORTS] = before
