"""Evaluation of a checkpoint in MindSpore, or of a packed file in the engine."""

import json
import os
import sys

from mindspore import Tensor

from src.commands.build import check_batch, load_weights, start_device, trained_network
from src.commands.predict import names_of, show_predictions
from src.common.errors import InputError
from src.common.output import expect_stdout, result, warn
from src.common.text import printable
from src.data import Transform, create_dataset, transform_of
from src.data.left_out import lines
from src.data.transform import Normalize
from src.engine import Engine
from src.learn.compiled import Compiled
from src.learn.evaluate import evaluate, padded
from src.learn.graph_cache import graph_identity
from src.learn.parallel import start_workers
from src.learn.progress import say
from src.learn.step import Predict
from src.settings.command_line import check_against_packed, names_packed
from src.settings.config import command_line_values, to_flat, with_values

MOST_THREADS = 256  # of an engine


def show_score(config, predict, workers, as_json, transform=None):
    """Evaluate the validation split and print the score. transform: None for that of the settings."""
    data = create_dataset(config, "val", workers.rank, workers.size, transform)
    if len(data.classes) != config.model.num_classes:
        raise InputError(
            f"{config.data.path or config.data.source}: expected {config.model.num_classes} classes as the network "
            f"has, got {len(data.classes)} (data.classes=[..], the network's names of its classes, allows a part of them)"
        )
    score = evaluate(predict, data, config.data.eval_batch_size, workers)
    if not workers.first:
        return
    record = {
        "top1": score.top1,
        "top5": score.top5,
        "correct": score.correct,
        "total": score.total,
        "images_per_second": score.images_per_second,
    }
    if as_json:
        result(json.dumps(record, allow_nan=False))
        return
    result(f"model        {printable(config.model.name)}")
    result(f"checkpoint   {printable(config.checkpoint.path)}")
    result(f"data         {config.data.source}, {score.total} images")
    result(f"images/s     {score.images_per_second:.0f}")
    if data.skipped:
        result(f"skipped      {len(data.skipped)} files that cannot be read")
    for line in lines(data.skipped):
        result(f"skipped      {printable(line)}")
    result(f"top5 = {score.top5:.4f} ({score.correct5}/{score.total})")
    result(f"top1 = {score.top1:.4f} ({score.correct}/{score.total})")


def use_network(args, config):
    """Evaluate or predict with a checkpoint's network, in MindSpore."""
    workers = start_workers()
    network = trained_network(config)
    load_weights(network, config.checkpoint.path)

    def note(text):
        """On stderr: stdout holds the result alone."""
        if workers.first:
            say(f"{config.model.name}: {text}", sys.stderr)

    transform, size = transform_of(config.data), min(config.data.eval_batch_size, len(args.image or ()))
    normalize = Normalize(transform)

    def logits_of(middles):
        images = padded(normalize(middles.transpose(0, 3, 1, 2)), size)
        return predict(Tensor(images)).asnumpy()[: len(middles)]

    identity = graph_identity(to_flat(config), workers, [network])
    predict = Compiled(Predict(network), "the forward pass", note, identity)
    names = names_of(config.data.class_names, config.model.num_classes, "the network")
    if args.image and not workers.first:
        return 0
    if args.image:
        return show_predictions(names, logits_of, transform, args, size)
    return show_score(config, predict, workers, args.json)


class EnginePredict:
    """An engine where `evaluate` expects a compiled network."""

    ready = True

    def __init__(self, engine):
        self.engine = engine

    def __call__(self, images):
        return Tensor(self.engine.logits(images.asnumpy()))


def use_engine(args, config):
    """Evaluate or predict with a packed file, in the engine. The transform is the file's own."""
    workers = start_workers()
    with Engine.load(config.checkpoint.path, min(len(os.sched_getaffinity(0)), MOST_THREADS)) as engine:
        network = engine.description
        if workers.first:
            set_name, threads = network["instruction_set"], network["threads"]
            variant = printable(network["variant"])
            warn(f"{variant}: engine, {set_name}, {threads} threads")
        transform = Transform(*(network[key] for key in ("image_size", "resize", "mean", "std")))
        own = {"data.image_size": network["image_size"], "model.name": network["variant"]}
        own |= {f"data.{key}": tuple(network[key]) for key in ("mean", "std")}
        check_against_packed(args, own)
        given = command_line_values(args.overrides)
        names = given.get("data.class_names", network["class_names"])
        names = names_of(names, network["classes"], "the packed file")
        if args.image and not workers.first:
            return 0
        if args.image:
            return show_predictions(names, engine.logits, transform, args, config.data.eval_batch_size)
        own = {"model.num_classes": network["classes"], "model.name": network["variant"]}
        own |= {"data.classes": classes_of_packed(network["class_names"], config.data, given)}
        return show_score(with_values(config, own), EnginePredict(engine), workers, args.json, transform)


def classes_of_packed(names, data, given):
    """The classes that a packed file's labels are numbers of, or () where nothing is known.

    They are those of the command line; else of the settings beside the file, if its names are theirs; else its names.
    """
    if "data.classes" in given:
        return data.classes
    return data.classes if tuple(names) == data.class_names else tuple(names)


def evaluate_command(args, config):
    """The exit code of an evaluation or prediction. args, config: the command line of eval.py and its settings."""
    expect_stdout()
    check_batch(config, images=1)
    start_device(config)
    return (use_engine if names_packed(args) else use_network)(args, config)
