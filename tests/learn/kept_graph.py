"""A process that trains and evaluates the small stage with graphs kept under BIMLP_CACHE; saves what came out."""

import sys
from pathlib import Path

import mindspore as ms
import numpy as np

from src.learn.loop import run_stage
from tests.learn.stages import small_network, small_stage

folder = Path(sys.argv[1])
ms.set_device("CPU")
ms.set_context(mode=ms.GRAPH_MODE)
teacher = small_network(7, "fp32").set_train(False)
stage = small_stage(folder, teacher=teacher)
stage.identity = {"test": "kept"}
summary = run_stage(stage, resume=False)
weights = {parameter.name: parameter.asnumpy() for parameter in stage.network.get_parameters()}
np.savez(folder / "result.npz", top1=summary["top1"], **weights)
