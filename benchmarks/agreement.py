"""Agreement of two sides on the results of a training step, arrays by name."""

import numpy as np

TOLERANCE = 1e-4  # of the largest element of its kind: the loss, all logits, all gradients
UPDATE_TOLERANCE = 1e-3  # float32 rounds a weight near 1 by 6e-8, and the largest update is 1e-3
OWN_TOLERANCE = 1e-3  # of the largest element of the same gradient ...
OWN_FLOOR = 1e-5  # ... and of the largest of all: shifts before a BatchNorm have gradient 0 up to rounding
KINDS = {"gradient of": TOLERANCE, "update of": UPDATE_TOLERANCE}


class Disagreement(Exception):
    """Two sides differ by more than the tolerance."""


def largest(array):
    return float(np.abs(array).max())


def kind_of(name):
    """The quantities that share a scale: all gradients are one kind, all updates another."""
    return next((kind for kind in KINDS if name.startswith(kind)), name)


def check_agreement(ours, theirs, ties=1):
    """Largest difference per kind, relative to that kind's largest element. Raises Disagreement beyond tolerance.

    ties: a factor on the tolerance of gradients and updates, for maps so large that some windows of the max-pools hold
    two values within rounding of each other: which of them gets the gradient is chance.
    """
    if ours.keys() != theirs.keys():
        names = ", ".join(sorted(ours.keys() ^ theirs.keys())[:6])
        raise Disagreement(f"expected the same names on both sides, only one has {names}")
    scales = {}
    for name, array in ours.items():
        kind = kind_of(name)
        scales[kind] = max(scales.get(kind, 0.0), largest(array), largest(theirs[name]))
    errors, faults = dict.fromkeys(scales, 0.0), []
    for name, array in ours.items():
        kind = kind_of(name)
        if array.shape != theirs[name].shape:
            raise Disagreement(f"{name}: shapes {array.shape} and {theirs[name].shape}")
        difference = largest(array - theirs[name])
        limit = KINDS.get(kind, TOLERANCE) * scales[kind]
        if kind == "gradient of":
            limit = min(limit, OWN_TOLERANCE * largest(array) + OWN_FLOOR * scales[kind])
        if kind in KINDS:
            limit *= ties
        errors[kind] = max(errors[kind], difference / scales[kind])
        if not difference <= limit:  # also when it is not a number
            faults.append((difference / limit, f"{name}: {difference:.3g}, allowed {limit:.3g}"))
    if faults:
        worst = "\n  ".join(text for _, text in sorted(faults, key=lambda fault: -fault[0])[:8])
        raise Disagreement(f"{len(faults)} of {len(ours)} quantities differ, the worst:\n  {worst}")
    return errors
