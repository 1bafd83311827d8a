"""Settings of the framework for all tests."""

import os

os.environ.setdefault("GLOG_v", "3")
