"""Settings of the framework for all tests."""

import atexit
import os

os.environ.setdefault("GLOG_v", "3")


@atexit.register
def end_quietly():
    """Cells that are still there when the interpreter is taken apart complain, in thousands of lines."""
    from mindspore.nn import Cell

    Cell.__del__ = lambda cell: None
