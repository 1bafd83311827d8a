"""Training: loss, schedule, optimizer, step, loop, run state. Knows no network and no data set by name.

Nothing is imported here, so that `python -m src.commands.report` starts without the framework.
"""
