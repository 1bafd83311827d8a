"""Evaluation of a packed file, or predictions with it, in the engine; the framework is not loaded for one process."""

import os

from src.commands.build import start_device
from src.commands.predict import check_plot, names_of, show_predictions
from src.commands.score import show_score
from src.common.output import expect_stdout, warn
from src.common.text import printable
from src.data import Transform
from src.engine import Engine
from src.learn.launcher import place_in_job
from src.learn.parallel import start_workers
from src.settings.command_line import check_against_packed
from src.settings.config import command_line_values, with_values

MAX_THREADS = 256  # of an engine


class EnginePass:
    """The forward pass of an engine: images float32 (B, 3, S, S) -> logits (B, K), arrays. Nothing is compiled."""

    ready = True

    def __init__(self, engine):
        self.logits = engine.logits

    def __call__(self, images):
        return self.logits(images)


def evaluate_engine(args, config):
    """The exit code of an evaluation or prediction. The transform is the packed file's own.

    args, config: the command line of eval.py and its settings.
    """
    expect_stdout()
    check_plot(args)
    if place_in_job(os.environ).workers > 1:  # which meet by the framework
        start_device(config)
    workers = start_workers()
    with Engine.load(config.checkpoint.path, min(len(os.sched_getaffinity(0)), MAX_THREADS)) as engine:
        network = engine.description
        if workers.first:
            set_name, threads = network["instruction_set"], network["threads"]
            variant = printable(network["variant"])
            warn(f"{variant}: engine, {set_name}, {threads} threads")
        transform = Transform(*(network[key] for key in ("image_size", "resize", "mean", "std")))
        packed = {"data.image_size": network["image_size"], "model.name": network["variant"]}
        packed |= {f"data.{key}": tuple(network[key]) for key in ("mean", "std")}
        check_against_packed(args, packed)
        overrides = command_line_values(args.overrides)
        names = overrides.get("data.class_names", network["class_names"])
        names = names_of(names, network["classes"], "the packed file")
        if args.image and not workers.first:
            return 0
        if args.image:
            return show_predictions(names, engine.logits, transform, args, config.data.eval_batch_size)
        values = {"model.num_classes": network["classes"], "model.name": network["variant"]}
        values |= {"data.classes": classes_of_packed(network["class_names"], config.data, overrides)}
        return show_score(with_values(config, values), EnginePass(engine), workers, args.json, transform)


def classes_of_packed(names, data, overrides):
    """The classes that a packed file's labels are numbers of, or () where nothing is known.

    They are those of the command line; else of the settings beside the file, if its names are theirs; else its names.
    """
    if "data.classes" in overrides:
        return data.classes
    return data.classes if tuple(names) == data.class_names else tuple(names)
