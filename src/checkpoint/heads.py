"""The head of a network: the layer whose outputs are the logits of the classes, found by its shape."""


def class_counts(target, params, wrong):
    """(expected, found) class counts where only heads differ, in their output axis, or None.

    target, params: name -> tensor, of the network and the checkpoint; wrong: the names in both that do not agree. A
    network may have several heads: auxiliary ones, or one per branch. Each has a weight of two axes or more.
    """
    layers = {_layer(name) for name in wrong}
    with_weight = {_layer(name) for name in wrong if len(target[name].shape) > 1}
    pairs = {(target[name].shape[:1], params[name].shape[:1]) for name in wrong}
    same_rest = all(target[name].shape[1:] == params[name].shape[1:] for name in wrong)
    if not (same_rest and layers == with_weight and len(pairs) == 1):
        return None
    expected, found = pairs.pop()
    return (expected[0], found[0]) if expected and found and expected != found else None


def head_names(target, params, classes):
    """The names of the parameters of a network's heads, as a tuple; () where no layer has `classes` outputs.

    Where the checkpoint has another class count, these are the parameters that differ by it alone; otherwise those
    of the last layer of `classes` outputs, in the order of the parameters.
    """
    differing = [name for name in target if name in params and target[name].shape != params[name].shape]
    counts = class_counts(target, params, differing) if differing else None
    if counts and counts[0] == classes:
        return tuple(differing)
    weights = [name for name, value in target.items() if len(value.shape) > 1 and value.shape[0] == classes]
    return tuple(name for name in target if weights and _layer(name) == _layer(weights[-1]))


def _layer(name):
    return name.rpartition(".")[0]
