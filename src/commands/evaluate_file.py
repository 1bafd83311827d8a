"""Evaluation of a file that has its network in it, or predictions with it.

A packed file runs in the engine, an ONNX file in ONNX Runtime, a MINDIR file in MindSpore. For the first two the framework is not
loaded, unless several processes meet.
"""

import contextlib
import os
from pathlib import Path

from src.commands.build import start_device
from src.commands.predict import check_plot, names_of, show_predictions
from src.commands.score import show_score
from src.common.files import MINDIR_SUFFIX, ONNX_SUFFIX, PACKED_SUFFIX
from src.common.output import expect_stdout, warn
from src.common.text import printable
from src.data import Transform
from src.data.transform import Normalize
from src.learn.launcher import place_in_job
from src.learn.parallel import start_workers
from src.settings.command_line import check_against_file
from src.settings.config import command_line_values, with_values

MAX_THREADS = 256  # of an engine


@contextlib.contextmanager
def engine_of(path, threads):
    """Context manager: the Engine of a packed file, and its words."""
    from src.engine import Engine

    with Engine.load(path, threads) as engine:
        yield engine, f"engine, {engine.description['instruction_set']}, {threads} threads"


@contextlib.contextmanager
def onnx_network_of(path, threads):
    """Context manager: the network of an ONNX file, and its words."""
    from src.deploy.onnx_network import load_onnx_network

    yield load_onnx_network(path, threads), f"ONNX Runtime, {threads} threads"


@contextlib.contextmanager
def mindir_network_of(path, _):
    """Context manager: the network of a MINDIR file, and its words. MindSpore has threads of its own."""
    from src.deploy.mindir_network import load_mindir_network

    yield load_mindir_network(path), "MindSpore"


OPENERS = {PACKED_SUFFIX: engine_of, ONNX_SUFFIX: onnx_network_of, MINDIR_SUFFIX: mindir_network_of}


class FilePass:
    """The forward pass of a file's network: images float32 (B, 3, S, S) -> logits (B, K), arrays. Nothing is compiled."""

    ready = True

    def __init__(self, network):
        self.logits = network.logits

    def __call__(self, images):
        return self.logits(images)


def evaluate_file(args, config):
    """The exit code of an evaluation or prediction. The transform is the file's own.

    args, config: the command line of eval.py and its settings.
    """
    expect_stdout()
    check_plot(args)
    path, threads = config.checkpoint.path, min(len(os.sched_getaffinity(0)), MAX_THREADS)
    suffix = Path(path).suffix
    if suffix == MINDIR_SUFFIX or place_in_job(os.environ).workers > 1:  # which meet by the framework
        start_device(config)
    workers = start_workers()
    with OPENERS[suffix](path, threads) as (network, words):
        found = network.description
        if workers.first:
            warn(f"{printable(found['variant'])}: {words}")
        transform = Transform(*(found[key] for key in ("image_size", "resize", "mean", "std")))
        own = {"data.image_size": found["image_size"], "model.name": found["variant"]}
        own |= {f"data.{key}": tuple(found[key]) for key in ("mean", "std")}
        check_against_file(args, own)
        overrides = command_line_values(args.overrides)
        names = overrides.get("data.class_names", found["class_names"])
        names = names_of(names, found["classes"], "the file")
        if args.image and not workers.first:
            return 0
        if args.image:
            normalize = Normalize(transform)

            def logits_of(middles):
                return network.logits(normalize(middles.transpose(0, 3, 1, 2)))

            return show_predictions(names, logits_of, transform, args, config.data.eval_batch_size)
        values = {"model.num_classes": found["classes"], "model.name": found["variant"]}
        values |= {"data.classes": classes_of_file(found["class_names"], config.data, overrides)}
        return show_score(with_values(config, values), FilePass(network), workers, args, transform)


def classes_of_file(names, data, overrides):
    """The classes that a file's labels are numbers of, or () where nothing is known.

    They are those of the command line; else of the settings beside the file, if its names are theirs; else its names.
    """
    if "data.classes" in overrides:
        return data.classes
    return data.classes if tuple(names) == data.class_names else tuple(names)
