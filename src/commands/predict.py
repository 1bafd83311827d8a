"""Predictions of single pictures: the most likely classes of each, as text or JSON."""

import itertools
import json
import os

import numpy as np

from src.common.errors import InputError
from src.common.figures import check_png
from src.common.output import result, warn
from src.common.text import one_line, printable
from src.data import load_centred
from src.data.images import UnreadableImage
from src.learn.evaluate import best_classes, require_finite
from src.learn.plot_predictions import MAX_PICTURES, draw_predictions


def names_of(names, classes, source):
    """The names of classes for predictions: those given, else the numbers.

    Raises InputError where names are given, but not one per class. source: of the classes, in words.
    """
    if names and len(names) != classes:
        raise InputError(
            f"data.class_names: expected {classes} names, one per class of {source}, got {len(names)}"
        )
    return tuple(names) or tuple(str(i) for i in range(classes))


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


def check_plot(args):
    """Raises InputError unless --plot, where it is given, can be drawn of the pictures, and is none of what is read."""
    plot, images = args.plot, args.image
    if plot is None:
        return
    if not images:
        raise InputError("command line: expected --image with --plot, got --plot alone")
    check_png("--plot", plot)
    if len(images) > MAX_PICTURES:
        raise InputError(f"--plot: expected at most {MAX_PICTURES} pictures, got {len(images)}")
    for path in (*images, args.checkpoint):
        if path and os.path.exists(path) and os.path.exists(plot) and os.path.samefile(path, plot):
            raise InputError(f"--plot: expected another file than those that are read, got {plot}")


def show_predictions(names, logits_of, transform, args, size):
    """Print the most likely classes of each picture as soon as its batch is computed.

    Args:
        names: of the classes.
        logits_of: middles, uint8 (B, S, S, 3) -> logits (B, K).
        transform: what cuts the middles out, one picture at a time: memory holds one decoded picture and one batch.
        args: the command line's `image`, the files, `json`: one object for all instead of lines, and `plot`: the file
            that shows the pictures with their classes, or None.
        size: pictures computed at once, at most.

    Returns:
        The exit code: 0, 1 where some pictures could not be read, 2 where none could.
    """
    records, drawn, missing = {}, [], 0
    pictures = centres(args.image, transform)
    while batch := list(itertools.islice(pictures, size)):
        good = [(file, middle) for file, middle in batch if middle is not None]
        missing += len(batch) - len(good)
        if not good:
            continue
        logits = logits_of(np.stack([middle for _, middle in good]))
        for (file, middle), row in zip(good, logits):
            record = predictions(row, names)
            if args.plot:
                drawn.append((file, middle, record))
            if args.json:
                records[file] = record
            else:
                show_prediction(file, record)
    if missing == len(args.image):
        return 2
    if args.json:
        result(json.dumps(records, allow_nan=False))
    if args.plot:
        draw_predictions(args.plot, drawn)
        warn(f"plot: {args.plot}")
    return 1 if missing else 0


def show_prediction(file, record):
    """Print what `predictions` says of one picture."""
    result(printable(file))
    for each in record:
        result(f"  {each['probability']:7.4f}  {each['class']:4}  {printable(each['name'])}")
