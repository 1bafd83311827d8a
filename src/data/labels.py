"""Labels by name: where two sides number their classes, the names say which number of one is which of the other.

Pure functions of names. A name is compared as it stands; of names that look alike, in other Unicode forms, the message
says so.
"""

import dataclasses
import difflib
import unicodedata

import numpy as np

from src.common.errors import InputError

MAX_NAMES = 5  # names in a message


def positions(names, known, source, of):
    """For each of `names` its place in `known`: int array (len(names),).

    Equal sequences match place by place, so that there names need not be unique.

    Args:
        names: the classes of one side, as of an image folder; may be a part of `known`, in any order.
        known: the classes of the other side, as of a checkpoint.
        source, of: words for the two sides, for messages.

    Raises:
        InputError: a name that is not in `known`, the first one in the order of `names`, or that several classes have.
    """
    if tuple(names) == tuple(known):
        return np.arange(len(names))
    places = {}
    for index, name in enumerate(known):
        places.setdefault(name, []).append(index)
    for name in names:
        if name not in places:
            raise InputError(
                f"{source}: expected classes of {of} ({_listed(known)}), got {name!r}{_alike(name, known)}; "
                "data.labels=position takes label k for class k, whatever its name"
            )
    for name in names:
        if len(places[name]) > 1 or names.count(name) > 1:
            raise InputError(
                f"{source}: expected a name of its own for each class, to match them with {of}, got several classes "
                f"{name!r}; data.labels=position takes label k for class k, whatever its name"
            )
    return np.array([places[name][0] for name in names], int)


def _listed(names):
    more = f", .. {len(names)} in all" if len(names) > MAX_NAMES else ""
    return ", ".join(map(str, names[:MAX_NAMES])) + more


def _alike(name, known):
    """Words on the nearest known name."""
    form = unicodedata.normalize("NFC", name)
    for other in known:
        if unicodedata.normalize("NFC", other) == form:
            return f", which differs from {other!a} only in its Unicode form ({name!a})"
    near = difflib.get_close_matches(name, known[:5000], 1)
    return f" (nearest: {near[0]})" if near else ""


def in_classes(split, data):
    """The split with its labels as numbers of data.classes, where those are given.

    Args:
        split: ArraySplit or FileSplit, as its source gives it.
        data: the settings under `data`: `labels` says whether the split's own names count or its numbers.

    Raises:
        InputError: as `positions`; by position, another number of classes.
    """
    if not data.classes:
        return split
    source, classes = data.path or data.source, tuple(data.classes)
    if data.labels == "name":
        places = positions(split.classes, classes, source, "the network")
        return dataclasses.replace(split, labels=places[split.labels].astype(np.int32), classes=classes)
    if len(split.classes) != len(classes):
        raise InputError(
            f"{source}: expected {len(classes)} classes, as the network has, got {len(split.classes)}"
        )
    return dataclasses.replace(split, classes=classes)
