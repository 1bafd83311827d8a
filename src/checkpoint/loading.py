"""A checkpoint's tensors put into a network, by name and shape."""

import difflib

import mindspore as ms
import numpy as np

from src.checkpoint.file import parameters_of
from src.checkpoint.heads import class_counts, head_names
from src.checkpoint.names import match_names, remarks_on_names
from src.common.errors import InputError
from src.common.text import cut

RUN_STATE = {"run.epoch", "run.step"}  # names in run states, never in weights
# Endings of parameters that stages of different precision do not share: full precision has no RSign, and quantizers
# that bring RPReLU put it in place of a Wave-MLP's GELU.
_NOISY = ("sign.n", "sign.strength", "sign.noise.weight1", "sign.noise.weight2")
_OF_ACTIVATIONS = ("bias", "t", "shift", "alpha", "beta", *_NOISY)
_OF_WEIGHTS = ("t", "tau", "alpha", "angle", "rotation1", "rotation2", *_NOISY)
QUANTIZER_PARAMETERS = (
    *(f"rsign.{name}" for name in _OF_ACTIVATIONS),
    *(f"weight_quantizer.{name}" for name in _OF_WEIGHTS),
    *(f"act.{name}" for name in ("shift_in", "slope", "shift_out", "positive", "negative")),
)
MAX_NAMES = 6  # names per kind in an error
MAX_NAME_LENGTH, MAX_CANDIDATES = 100, 5000  # characters; names among which the nearest one is looked for


def load_weights(network, params, path, optional=(), new_head=0, key="", rows=()):
    """Put `params` into the network; names and shapes must match exactly. Nothing is changed on an error.

    `match_names` takes off a prefix of all names and leaves aside the entries that training keeps beside the weights.
    The numbers are copied: Parameter.set_data alone would share memory among all networks loaded from `params`. Another
    float width is converted to the network's.

    Args:
        params: dict from name to Parameter or Tensor, as from `read_checkpoint`.
        path: their file, for messages.
        optional: endings of names that either side may lack, as QUANTIZER_PARAMETERS; the network keeps its target values
            of those that the checkpoint lacks.
        new_head: the network's class count, to keep the network's values in its head (see `head_names`); 0: the
            head is loaded as well.
        key: the setting that asks for a new head, for the message on another class count; "": there is none.
        rows: the checkpoint's number of each class of the network, where both have the same classes in another order;
            () where the order is the same.

    Returns:
        A sentence on prefixes, entries left aside and the head, or "".

    Raises:
        InputError: a run state; no head; missing, unexpected and mis-shaped parameters, listed with the nearest names;
            a parameter whose numbers are not all finite in the network's type.
    """
    target, optional = parameters_of(network), tuple(optional)
    _refuse_run_state(params, path)
    may_lack = optional + (head_names(target, {}, new_head) if new_head else ())
    found = match_names(target, {name: value.shape for name, value in params.items()}, may_lack, optional)
    aside, remarks = set(), []
    if found:
        names, left, prefix = found
        params = {names.get(name, name): value for name, value in params.items()}
        aside, remarks = set(left), remarks_on_names(left, prefix)
    head = ()
    if new_head:
        head = head_names(target, params, new_head)
        remarks.append(_remark_on_head(target, params, head, new_head, path))
    shared = [name for name in target if name in params and name not in head]
    wrong = [name for name in shared if _kind(target[name]) != _kind(params[name])]
    lacking = [n for n in target if n not in params and n not in head and not n.endswith(optional)]
    foreign = [n for n in params if n not in target and n not in aside and not n.endswith(optional)]
    if lacking or foreign or wrong:
        raise InputError(_mismatch(path, target, params, lacking, foreign, wrong, key))
    ordered = ()
    if len(rows):
        ordered = head_names(target, {}, len(rows))
        remarks.append(_remark_on_order(ordered, len(rows), path))
    values = {
        name: ms.Tensor(params[name].asnumpy()[rows if name in ordered else ...], target[name].dtype)
        for name in shared
    }
    require_finite(values, f"checkpoint {path}")
    for name, value in values.items():
        target[name].set_data(value)
    return f"checkpoint {path}: {'; '.join(remarks)}" if remarks else ""


def _refuse_run_state(params, path):
    if params.keys() >= RUN_STATE:
        raise InputError(
            f"checkpoint {path}: expected weights, got the run state of a stage; take best.ckpt or last.ckpt "
            "beside it"
        )


def _remark_on_head(target, params, head, classes, path):
    """Words on a head that stays as it is. Raises InputError where there is none."""
    _require_head(head, classes, path)
    theirs = {params[name].shape[0] for name in head if name in params}
    had = f"{theirs.pop()} classes" if theirs else "no such layer"
    return f"{', '.join(head)} keep their random numbers for {classes} classes (the checkpoint has {had})"


def _remark_on_order(head, classes, path):
    """Words on a head whose classes are put into another order. Raises InputError where there is none."""
    _require_head(head, classes, path)
    return f"its {classes} classes are put into the order of the data, by their names"


def _require_head(head, classes, path):
    if not head:
        raise InputError(
            f"checkpoint {path}: expected a network with a last layer of {classes} outputs, found none"
        )


def require_finite(tensors, source):
    """Raise InputError with `source` and the first of `tensors`, name -> Tensor, that holds NaN or an infinity."""
    for name, tensor in tensors.items():
        numbers = tensor.asnumpy() if "Float" in str(tensor.dtype) else np.zeros(1)
        wrong = numbers[~np.isfinite(numbers)]
        if wrong.size:
            raise InputError(f"{source}: expected finite numbers, got {wrong[0]} in {name}")


def _kind(value):
    """(shape, type) to compare; all float types are equal."""
    text = str(value.dtype)
    return tuple(value.shape), "float" if "Float" in text else text


def _mismatch(path, target, params, lacking, foreign, wrong, key):
    """The message on parameters that do not fit."""
    classes = class_counts(target, params, wrong) if not (lacking or foreign) else None
    if classes:
        remedy = f"; {key}=new takes all but these and starts a new head" if key else ""
        return (
            f"checkpoint {path}: expected {classes[0]} classes, got {classes[1]}: all parameters fit but the head's "
            f"({', '.join(wrong)}); set model.num_classes, or take data with as many classes{remedy}"
        )
    parts = []
    if lacking:
        parts.append(f"{len(lacking)} missing in the checkpoint: {_listed(lacking, foreign or params)}")
    if foreign:
        parts.append(f"{len(foreign)} unexpected in the checkpoint: {_listed(foreign, lacking or target)}")
    if wrong:
        shapes = [f"{name}: expected {_shown(target[name])}, found {_shown(params[name])}" for name in wrong]
        parts.append(f"{len(wrong)} of another shape or type: {_cut(shapes)}")
    fit = sum(name in params for name in target) - len(wrong)
    head = f"checkpoint {path} does not fit the network ({fit} of {len(target)} parameters do)"
    return "; ".join([head, *parts])


def _shown(value):
    return f"{tuple(value.shape)} {value.dtype}"


def _listed(names, candidates):
    """Names, each with its nearest candidate."""
    candidates = [name for name in candidates if len(name) <= MAX_NAME_LENGTH][:MAX_CANDIDATES]
    texts = []
    for name in names[:MAX_NAMES]:
        near = difflib.get_close_matches(name[:MAX_NAME_LENGTH], candidates, n=1, cutoff=0.7)
        texts.append(
            f"{cut(name, MAX_NAME_LENGTH)} (nearest: {near[0]})" if near else cut(name, MAX_NAME_LENGTH)
        )
    return _cut(texts + names[MAX_NAMES:])


def _cut(texts):
    rest = f" and {len(texts) - MAX_NAMES} more" if len(texts) > MAX_NAMES else ""
    return ", ".join(texts[:MAX_NAMES]) + rest
