"""Settings of the framework for all tests."""

import atexit
import os
import sys

os.environ.setdefault("GLOG_v", "3")


@atexit.register
def end_quietly():
    """Cells that are still there when the interpreter is taken apart complain, in thousands of lines."""
    nn = sys.modules.get("mindspore.nn")
    if nn is not None:
        nn.Cell.__del__ = lambda cell: None
