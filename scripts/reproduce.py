#!/usr/bin/env python
"""The paper's tables again: python scripts/reproduce.py --table N [--cost | --data_path DIR --epochs N], or --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.settings.command_line import run  # noqa: E402


def main(argv):
    """The exit code of the command."""
    from src.commands.reproduce import main

    return main(argv)


if __name__ == "__main__":
    sys.exit(run(main))
