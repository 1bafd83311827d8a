"""The programs: train, evaluate, export, cost, report, reproduce. They know every room, and nobody imports them."""

import os

os.environ.setdefault("GLOG_v", "3")  # read when the framework is loaded: its warnings are for its developers
