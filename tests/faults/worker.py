"""One worker of a job, or a process alone, that trains the small stage: python worker.py FOLDER [key=value ...].

It goes on where FOLDER stands, and saves what it ended with as rank<r>.ckpt and rank<r>.json.
"""

import json
import sys
from pathlib import Path

import mindspore as ms

from src.checkpoint.file import save_checkpoint
from src.learn.loop import run_stage
from src.learn.parallel import start_workers
from src.learn.stopping import Stopped
from src.settings.command_line import run
from tests.learn.stages import small_stage


def main(arguments):
    folder, *overrides = arguments
    folder = Path(folder)
    ms.set_device("CPU")
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_deterministic(True)
    workers = start_workers()
    stage = small_stage(folder, *overrides, workers=workers)
    try:
        summary = run_stage(stage, resume=True)
    except Stopped as stopped:
        return stopped.code
    save_checkpoint(folder / f"rank{workers.rank}.ckpt", stage.network)
    (folder / f"rank{workers.rank}.json").write_text(json.dumps({"size": workers.size, **summary}))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
