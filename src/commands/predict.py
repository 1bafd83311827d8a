"""Predictions of single pictures: the most likely classes of each, as text or JSON."""

import itertools
import json

import numpy as np

from src.common.errors import InputError
from src.common.output import result, warn
from src.common.text import one_line, printable
from src.data import load_centred
from src.data.images import UnreadableImage
from src.learn.evaluate import best_classes, require_finite


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
