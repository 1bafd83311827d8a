#!/usr/bin/env python
"""Evaluate a checkpoint or a packed file, or predict pictures: python eval.py --checkpoint F [--data_path D | --image a.png b.jpg]."""

import json
import os
import sys
from pathlib import Path

from src.cli import add_model_flag, config_of_checkpoint, config_of_packed, create_parser, parse, run
from src.errors import InputError
from src.files import PACKED_SUFFIX
from src.text import printable

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
    parser.add_argument("--image", metavar="FILE", nargs="+", help="predict these pictures instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parse(parser, argv)


def class_names(given, classes):
    """The names for predictions: those given, else the numbers."""
    return given or tuple(str(i) for i in range(classes))


def show_predictions(names, logits_of, files, as_json):
    """Print the five most likely classes of each picture, with probabilities.

    Args:
        names: of the classes.
        logits_of: list of pictures, uint8 (H, W, 3) each -> logits, an array (B, K).
        files: the pictures' paths.
        as_json: print one JSON object and nothing else.
    """
    import numpy as np

    from src.data import load_rgb

    logits = logits_of([load_rgb(file) for file in files]).astype(np.float64)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    records = {}
    for file, row in zip(files, probabilities):
        records[file] = {names[i]: float(row[i]) for i in np.argsort(-row, kind="stable")[:5]}
    if as_json:
        print(json.dumps(records))
        return
    for file, record in records.items():
        print(printable(file))
        for name, probability in record.items():
            print(f"  {probability:7.4f}  {printable(name)}")


def show_score(config, predict, workers, as_json):
    """Evaluate the validation split and print the score."""
    from src.data import create_dataset
    from src.data.left_out import lines
    from src.learn.evaluate import evaluate

    data = create_dataset(config, "val", workers.rank, workers.size)
    if len(data.class_names) != config.model.num_classes:
        raise InputError(
            f"{config.data.path or config.data.source}: expected {config.model.num_classes} classes as the checkpoint "
            f"has, found {len(data.class_names)}"
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
        print(json.dumps(record))
        return
    print(f"model        {printable(config.model.name)}")
    print(f"checkpoint   {printable(config.checkpoint.path)}")
    print(f"data         {config.data.source}, {score.total} images")
    print(f"images/s     {score.images_per_second:.0f}")
    if data.skipped:
        print(f"skipped      {len(data.skipped)} files that cannot be read")
    for line in lines(data.skipped):
        print(f"skipped      {printable(line)}")
    print(f"top5 = {score.top5:.4f} ({score.correct5}/{score.total})")
    print(f"top1 = {score.top1:.4f} ({score.correct}/{score.total})")


def use_network(args, config):
    """Evaluate or predict with a checkpoint's network, in MindSpore."""
    import numpy as np
    from mindspore import Tensor

    from src.build import load_weights, trained_network
    from src.config import to_flat
    from src.data import preprocess
    from src.learn.compiled import Compiled
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

    def logits_of(pictures):
        return predict(Tensor(np.stack([preprocess(picture, config.data) for picture in pictures]))).asnumpy()

    identity = graph_identity(to_flat(config), workers, [network])
    predict = Compiled(Predict(network), "the forward pass", note, identity)
    if args.image:
        names = class_names(config.data.class_names, config.model.num_classes)
        show_predictions(names, logits_of, args.image, args.json)
    else:
        show_score(config, predict, workers, args.json)


class EnginePredict:
    """An engine where `evaluate` expects a compiled network."""

    ready = True

    def __init__(self, engine):
        self.engine = engine

    def __call__(self, images):
        from mindspore import Tensor

        return Tensor(self.engine.logits(images.asnumpy()))


def use_engine(args, config):
    """Evaluate or predict with a packed file, in the engine."""
    import numpy as np
    from PIL import Image

    from src.config import with_values
    from src.data.augment import centre
    from src.engine import Engine
    from src.learn.parallel import start_workers

    workers = start_workers()
    with Engine.load(config.checkpoint.path, min(len(os.sched_getaffinity(0)), MOST_THREADS)) as engine:
        network = engine.description
        if workers.first:
            set_name, threads = network["instruction_set"], network["threads"]
            variant = printable(network["variant"])
            sys.stderr.write(f"{variant}: engine, {set_name}, {threads} threads\n")

        def logits_of(pictures):
            sides = network["image_size"], network["resize"]
            return engine.logits(np.stack([centre(Image.fromarray(picture), *sides) for picture in pictures]))

        if args.image:
            names = class_names(network["class_names"], network["classes"])
            show_predictions(names, logits_of, args.image, args.json)
        else:
            own = {f"data.{key}": network[key] for key in ("image_size", "mean", "std")}
            own |= {"model.num_classes": network["classes"], "model.name": network["variant"]}
            show_score(with_values(config, own), EnginePredict(engine), workers, args.json)


def main(argv):
    """Evaluates or predicts; returns the exit code."""
    args = arguments(argv)
    packed = Path(args.checkpoint or "").suffix == PACKED_SUFFIX
    config = config_of_packed(args) if packed else config_of_checkpoint(args)
    from src.build import start_device

    start_device(config)
    (use_engine if packed else use_network)(args, config)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
