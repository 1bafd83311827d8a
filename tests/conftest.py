"""Settings of the framework for all tests."""

import atexit
import gc
import os

os.environ.setdefault("GLOG_v", "3")
atexit.register(
    gc.collect
)  # cells that live until the interpreter is taken apart complain, thousands of lines
