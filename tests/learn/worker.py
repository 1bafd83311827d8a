"""One worker of a job that msrun starts: trains the small stage and saves what it ended with."""

import json
import sys
from pathlib import Path

import mindspore as ms

from src.checkpoint import save_checkpoint
from src.learn.loop import run_stage
from src.learn.parallel import start_workers
from tests.learn.stages import small_stage

folder = Path(sys.argv[1])
ms.set_device("CPU")
ms.set_context(mode=ms.GRAPH_MODE)
workers = start_workers()
stage = small_stage(folder, workers=workers)
summary = run_stage(stage, resume=False)
save_checkpoint(folder / f"rank{workers.rank}.ckpt", stage.network)
(folder / f"rank{workers.rank}.json").write_text(json.dumps({"size": workers.size, **summary}))
