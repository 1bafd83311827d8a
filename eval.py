#!/usr/bin/env python
"""Evaluate a checkpoint or a packed file, or predict pictures: python eval.py --checkpoint F [--data_path D | --image a.png b.jpg]."""

import itertools
import json
import os
import sys
from pathlib import Path

from src.cli import (
    PATH,
    add_model_flag,
    check_against_packed,
    config_of_checkpoint,
    config_of_packed,
    create_parser,
    parse,
    run,
)
from src.config import command_line_values
from src.errors import InputError
from src.files import PACKED_SUFFIX
from src.output import expect_stdout, result, warn
from src.text import one_line, printable

MOST_THREADS = 256  # of an engine
DESCRIPTION = (
    "Reads the settings saved beside the checkpoint and prints top-1 and top-5 on the validation split, or\n"
    "the five most likely classes of single pictures.\n"
    "example: python eval.py --checkpoint output/step2/best.ckpt\n"
    "a packed file, in the engine: python eval.py --checkpoint output/step2/best.packed\n"
    "the authors' files: python eval.py --checkpoint BiMLP_M.ckpt --model released_bimlp_m --data_path imagenet"
)


def arguments(argv):
    """The parsed command line."""
    parser = create_parser("eval.py", DESCRIPTION)
    add_model_flag(parser)
    parser.add_argument(
        "--image", type=PATH, metavar="FILE", nargs="+", help="predict these pictures instead"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    args = parse(parser, argv)
    if args.image and args.data_path:
        raise InputError("command line: expected --image or --data_path, got both")
    return args


def names_of(given, classes, of):
    """The names of classes for predictions: those given, else the numbers.

    Raises InputError where names are given, but not one per class. of: words for where the classes are from.
    """
    if given and len(given) != classes:
        raise InputError(
            f"data.class_names: expected {classes} names, one per class of {of}, got {len(given)}"
        )
    return tuple(given) or tuple(str(i) for i in range(classes))


def predictions(logits, names):
    """The five most likely classes of one picture, best first: a list of dicts with the class's number, name and
    probability (softmax). logits (K,). Raises InputError where a logit is not finite."""
    import numpy as np

    from src.learn.evaluate import best_classes, require_finite

    require_finite(logits[None], "prediction")
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = exponentials / exponentials.sum()
    return [
        {"class": int(i), "name": names[i], "probability": float(probabilities[i])}
        for i in best_classes(logits[None])[0]
    ]


def centres(files, transform):
    """(file, middle uint8 (S, S, 3)) of every picture that can be read, one after the other; for the others (file, None),
    after a line on stderr."""
    from src.data import load_centred
    from src.data.images import UnreadableImage

    for file in files:
        try:
            yield file, load_centred(file, transform)
        except UnreadableImage as error:
            warn(f"error: {one_line(error)}")
            yield file, None


def show_predictions(names, logits_of, transform, args, size):
    """Print the most likely classes of each picture as soon as its batch is computed.

    Args:
        names: of the classes.
        logits_of: middles, uint8 (B, S, S, 3) -> logits (B, K).
        transform: what cuts the middles out, one picture at a time: memory holds one decoded picture and one batch.
        args: the command line's `image`, the files, and `json`: one object for all instead of lines.
        size: pictures computed at once, at most.

    Returns:
        The exit code: 0, 1 where some pictures could not be read, 2 where none could.
    """
    import numpy as np

    records, missing = {}, 0
    pictures = centres(args.image, transform)
    while batch := list(itertools.islice(pictures, size)):
        good = [(file, middle) for file, middle in batch if middle is not None]
        missing += len(batch) - len(good)
        if not good:
            continue
        logits = logits_of(np.stack([middle for _, middle in good]))
        for (file, _), row in zip(good, logits):
            record = predictions(row, names)
            if args.json:
                records[file] = record
            else:
                show_prediction(file, record)
    if missing == len(args.image):
        return 2
    if args.json:
        result(json.dumps(records, allow_nan=False))
    return 1 if missing else 0


def show_prediction(file, record):
    """Print what `predictions` says of one picture."""
    result(printable(file))
    for each in record:
        result(f"  {each['probability']:7.4f}  {each['class']:4}  {printable(each['name'])}")


def show_score(config, predict, workers, as_json, transform=None):
    """Evaluate the validation split and print the score. transform: None for that of the settings."""
    from src.data import create_dataset
    from src.data.left_out import lines
    from src.learn.evaluate import evaluate

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
    from mindspore import Tensor

    from src.build import load_weights, trained_network
    from src.config import to_flat
    from src.data import transform_of
    from src.data.transform import Normalize
    from src.learn.compiled import Compiled
    from src.learn.evaluate import padded
    from src.learn.graph_cache import graph_identity
    from src.learn.parallel import start_workers
    from src.learn.progress import say
    from src.learn.step import Predict

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
        from mindspore import Tensor

        return Tensor(self.engine.logits(images.asnumpy()))


def use_engine(args, config):
    """Evaluate or predict with a packed file, in the engine. The transform is the file's own."""
    from src.config import with_values
    from src.data import Transform
    from src.engine import Engine
    from src.learn.parallel import start_workers

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


def main(argv):
    """Evaluates or predicts; returns the exit code."""
    args = arguments(argv)
    expect_stdout()
    packed = Path(args.checkpoint or "").suffix == PACKED_SUFFIX
    config = config_of_packed(args) if packed else config_of_checkpoint(args)
    from src.build import check_batch, start_device

    check_batch(config, images=1)
    start_device(config)
    return (use_engine if packed else use_network)(args, config)


if __name__ == "__main__":
    sys.exit(run(main))
