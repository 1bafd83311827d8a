"""A checkpoint's tensors put into a network, by name and shape."""

import dataclasses
import difflib

import mindspore as ms
import numpy as np

from src.checkpoint.file import parameters_of
from src.checkpoint.heads import class_counts, head_names
from src.checkpoint.names import match_names, said_of
from src.common.errors import InputError
from src.common.text import cut

RUN_STATE = {"run.epoch", "run.step"}  # names that a run state has and weights have not
LISTED = 6  # names per kind in an error
LONGEST, MOST_CANDIDATES = 100, 5000  # characters of a name; names that the nearest one is looked for among


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What became of the names: how many were loaded, which the checkpoint lacks, which the network lacks.

    said: one sentence on prefixes and entries left aside, see `match_names`; "" where there were none.
    """

    loaded: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    said: str = ""


def load_into(network, params, path, allow_missing=(), ignore=(), new_head=0, key="", rows=()):
    """Put `params` into the network; names and shapes must match exactly. Nothing is changed on an error.

    A prefix of all names, and what training keeps beside the weights, are no obstacle: see `match_names`. The numbers
    are copied: Parameter.set_data alone would share memory among all networks loaded from `params`. Another float
    width is converted to the network's.

    Args:
        params: dict from name to Parameter or Tensor, as from `read_checkpoint`.
        path: the file they came from, for messages.
        allow_missing: endings of names that the checkpoint may lack; the network keeps its own values.
        ignore: endings of names in the checkpoint that the network need not have.
        new_head: the network's class count, where its head (see `head_names`) keeps the network's own values; 0: it
            is loaded as well.
        key: of the setting that asks for a new head, for the message on another class count; "": there is none.
        rows: for each class of the network its number in the checkpoint, where that has the same classes in another
            order; () where the order is the same.

    Raises:
        InputError: a run state; a head that is not found; lists missing, unexpected and mis-shaped parameters with the
            nearest names; or names the first parameter whose numbers are not all finite in the network's type.
    """
    own = parameters_of(network)
    allow_missing, ignore = tuple(allow_missing), tuple(ignore)
    if params.keys() >= RUN_STATE:
        raise InputError(
            f"checkpoint {path}: expected weights, got the run state of a stage; take best.ckpt or last.ckpt "
            "beside it"
        )
    may_lack = allow_missing + (head_names(own, {}, new_head) if new_head else ())
    found = match_names(own, {name: value.shape for name, value in params.items()}, may_lack, ignore)
    aside, said = set(), []
    if found:
        names, left, prefix = found
        params = {names.get(name, name): value for name, value in params.items()}
        aside, said = set(left), said_of(left, prefix)
    head = ()
    if new_head:
        head = head_names(own, params, new_head)
        said.append(_said_of_head(own, params, head, new_head, path))
    missing = tuple(name for name in own if name not in params)
    unexpected = tuple(name for name in params if name not in own)
    shared = [name for name in own if name in params and name not in head]
    wrong = [name for name in shared if _kind(own[name]) != _kind(params[name])]
    lacking = [name for name in missing if name not in head and not name.endswith(allow_missing)]
    foreign = [n for n in unexpected if n not in aside and not n.endswith(ignore)]
    if lacking or foreign or wrong:
        raise InputError(_mismatch(path, own, params, lacking, foreign, wrong, key))
    ordered = ()
    if len(rows):
        ordered = head_names(own, {}, len(rows))
        said.append(_said_of_order(ordered, len(rows), path))
    values = {
        name: ms.Tensor(params[name].asnumpy()[rows if name in ordered else ...], own[name].dtype)
        for name in shared
    }
    require_finite(values, f"checkpoint {path}")
    for name, value in values.items():
        own[name].set_data(value)
    return LoadReport(
        len(shared), missing, unexpected, f"checkpoint {path}: {'; '.join(said)}" if said else ""
    )


def _said_of_head(own, params, head, classes, path):
    """Words on a head that stays as it is. Raises InputError where there is none."""
    _require_head(head, classes, path)
    theirs = {params[name].shape[0] for name in head if name in params}
    had = f"{theirs.pop()} classes" if theirs else "no such layer"
    return f"{', '.join(head)} keep their random numbers for {classes} classes (the checkpoint has {had})"


def _said_of_order(head, classes, path):
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


BROUGHT_BY_QUANTIZERS = ("rsign.bias", "act.shift_in", "act.slope", "act.shift_out")


def hand_on(network, params, path, may_lack=BROUGHT_BY_QUANTIZERS, new_head=0, key="", rows=()):
    """Hand the weights of one stage to the network of the next, by name.

    The two may differ in parameters whose names end as in `may_lack`, in either direction: full precision has no
    RSign, and a Wave-MLP gets RPReLU in GELU's place by quantizers that bring it. Everything else, but for a new
    head, must match, as in `load_into`, which has `new_head`, `key` and `rows` as well.

    Raises:
        InputError: as `load_into`.
    """
    return load_into(network, params, path, may_lack, may_lack, new_head, key, rows)


def _kind(value):
    """What must agree: the shape, and the type unless both are floats."""
    text = str(value.dtype)
    return tuple(value.shape), "float" if "Float" in text else text


def _mismatch(path, own, params, lacking, foreign, wrong, key):
    """The message on parameters that do not fit."""
    classes = class_counts(own, params, wrong) if not (lacking or foreign) else None
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
        parts.append(f"{len(foreign)} unexpected in the checkpoint: {_listed(foreign, lacking or own)}")
    if wrong:
        shapes = [f"{name}: expected {_shown(own[name])}, found {_shown(params[name])}" for name in wrong]
        parts.append(f"{len(wrong)} of another shape or type: {_cut(shapes)}")
    fit = sum(name in params for name in own) - len(wrong)
    head = f"checkpoint {path} does not fit the network ({fit} of {len(own)} parameters do)"
    return "; ".join([head, *parts])


def _shown(value):
    return f"{tuple(value.shape)} {value.dtype}"


def _listed(names, candidates):
    """Names, each with its nearest candidate."""
    candidates = [name for name in candidates if len(name) <= LONGEST][:MOST_CANDIDATES]
    texts = []
    for name in names[:LISTED]:
        near = difflib.get_close_matches(name[:LONGEST], candidates, n=1, cutoff=0.7)
        texts.append(f"{cut(name, LONGEST)} (nearest: {near[0]})" if near else cut(name, LONGEST))
    return _cut(texts + names[LISTED:])


def _cut(texts):
    rest = f" and {len(texts) - LISTED} more" if len(texts) > LISTED else ""
    return ", ".join(texts[:LISTED]) + rest
