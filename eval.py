#!/usr/bin/env python
"""Evaluate a checkpoint, or predict pictures: python eval.py --checkpoint F [--data_path D | --image a.png b.jpg]."""

import json
import sys

from src.cli import add_model_flag, config_of_checkpoint, create_parser, parse, run
from src.errors import InputError

DESCRIPTION = (
    "Reads the settings saved beside the checkpoint and prints top-1 and top-5 on the validation split, or\n"
    "the five most likely classes of single pictures.\n"
    "example: python eval.py --checkpoint output/step2/best.ckpt\n"
    "the authors' files: python eval.py --checkpoint BiMLP_M.ckpt --model released_bimlp_m --data_path imagenet"
)


def arguments(argv):
    """The parsed command line."""
    parser = create_parser("eval.py", DESCRIPTION)
    add_model_flag(parser)
    parser.add_argument("--image", metavar="FILE", nargs="+", help="predict these pictures instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parse(parser, argv)


def class_names(config):
    """The names for predictions: the run's, else the numbers."""
    return config.data.class_names or tuple(str(i) for i in range(config.model.num_classes))


def show_predictions(config, predict, files, as_json):
    """Print the five most likely classes of each picture, with probabilities."""
    import numpy as np
    from mindspore import Tensor

    from src.data import load_rgb, preprocess

    images = np.stack([preprocess(load_rgb(file), config.data) for file in files])
    logits = predict(Tensor(images)).asnumpy().astype(np.float64)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names, records = class_names(config), {}
    for file, row in zip(files, probabilities):
        records[file] = {names[i]: float(row[i]) for i in np.argsort(-row, kind="stable")[:5]}
    if as_json:
        print(json.dumps(records))
        return
    for file, record in records.items():
        print(file)
        for name, probability in record.items():
            print(f"  {probability:7.4f}  {name}")


def show_score(config, predict, workers, as_json):
    """Evaluate the validation split and print the score."""
    from src.data import create_dataset
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
    print(f"model        {config.model.name}")
    print(f"checkpoint   {config.checkpoint}")
    print(f"data         {config.data.source}, {score.total} images")
    print(f"images/s     {score.images_per_second:.0f}")
    for path, reason in data.skipped:
        print(f"skipped      {path}: {reason}")
    print(f"top5 = {score.top5:.4f} ({score.correct5}/{score.total})")
    print(f"top1 = {score.top1:.4f} ({score.correct}/{score.total})")


def main(argv):
    """Evaluates or predicts; returns the exit code."""
    args = arguments(argv)
    config = config_of_checkpoint(args)
    from src.build import load_weights, start_device, trained_network
    from src.config import to_flat

    start_device(config)
    from src.learn.compiled import Compiled
    from src.learn.graph_cache import graph_identity
    from src.learn.parallel import start_workers
    from src.learn.progress import say
    from src.learn.step import Predict

    workers = start_workers()
    network = trained_network(config)
    load_weights(network, config.checkpoint)

    def note(text):
        """On stderr: stdout holds the result alone."""
        if workers.first:
            say(f"{config.model.name}: {text}", sys.stderr)

    identity = graph_identity(to_flat(config), workers, [network])
    predict = Compiled(Predict(network), "the forward pass", note, identity)
    if args.image:
        show_predictions(config, predict, args.image, args.json)
    else:
        show_score(config, predict, workers, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
