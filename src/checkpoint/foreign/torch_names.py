"""Names that pickled checkpoints ask for, and the values that stand for what they would make. None is ever looked up.

torch.save writes a tensor as a call of torch._utils._rebuild_tensor_v2 with a storage, an offset, a shape and strides.
"""

from dataclasses import dataclass

MAX_KEY = 1 << 60  # of a mapping, which ints are; optimizers of old files have addresses there
MAX_COUNT = 1 << 40  # of numbers
TENSOR, PARAMETER, PLAIN_TENSOR = (
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
)
MAPPINGS = ("collections.OrderedDict",)
SEQUENCES = ("torch.Size",)
DEFAULT_DICT = "collections.defaultdict"  # of optimizers
STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
STORAGE_MODULES = ("torch.", "torch.cuda.")
# other names in checkpoints that people hold: best accuracies, options of the command line, devices
INERT = {
    "argparse.Namespace", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype", "torch.device",
    "_codecs.encode", "builtins.set", "__builtin__.set", "builtins.dict", "__builtin__.dict",
}  # fmt: skip
KNOWN = {TENSOR, PARAMETER, PLAIN_TENSOR, DEFAULT_DICT, *MAPPINGS, *SEQUENCES, *INERT}


@dataclass(frozen=True)
class Name:
    """Global of the table, never looked up."""

    name: str


@dataclass(frozen=True)
class Storage:
    """Numbers of one tensor or more: the key of their bytes in the file, their NumPy type, their count."""

    key: str
    kind: str
    count: int


@dataclass(frozen=True)
class View:
    """Tensor: part of a Storage, by offset, shape and strides in numbers."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


class Inert:
    """Value of another kind, of which nothing is kept."""


INERT_VALUE = Inert()


def put(mapping, values):
    """The mapping with `values`, its keys and values in turn."""
    for key in values[::2]:
        if type(key) is not str and not (type(key) is int and 0 <= key < MAX_KEY):
            raise ValueError(f"pickle: expected a mapping's keys to be texts or ints from 0 to {MAX_KEY - 1}")
    if len(values) % 2:
        raise ValueError("pickle: expected a mapping's keys and values, got a key without a value")
    mapping.update(zip(values[::2], values[1::2]))
    return mapping


def named(name):
    """Name for a global of the table. Raises ValueError for others."""
    module, _, ending = name.rpartition(".")
    if name not in KNOWN and not (f"{module}." in STORAGE_MODULES and ending in STORAGES):
        raise ValueError(
            f"expected tensors by name, got a pickle that asks for {name}, which is never loaded or called; save the "
            "network's state_dict() alone"
        )
    return Name(name)


def value_of(name, arguments):
    """The value that a call would give, from the arguments alone."""
    if name in (TENSOR, PLAIN_TENSOR):
        return _view(arguments)
    if name == PARAMETER and arguments and type(arguments[0]) is View:
        return arguments[0]
    if name == DEFAULT_DICT:
        return {}
    if name in SEQUENCES and len(arguments) == 1 and type(arguments[0]) is tuple:
        return arguments[0]
    if name in MAPPINGS and len(arguments) < 2:
        pairs = arguments[0] if arguments else []
        if type(pairs) is list and all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
            return put({}, [each for pair in pairs for each in pair])
    if name in INERT:
        return INERT_VALUE
    raise ValueError(f"pickle: {name} has other arguments than PyTorch's")


def _view(arguments):
    """View of the arguments of a tensor: storage, offset, shape, strides, and what is left out."""
    if len(arguments) >= 4:
        storage, offset, shape, strides = arguments[:4]
        kinds = type(storage), type(shape), type(strides)
        if kinds == (Storage, tuple, tuple) and _are_counts(offset, *shape, *strides):
            return View(storage, offset, shape, strides)
    raise ValueError("pickle: expected a tensor's storage, offset, shape and strides, got something else")


def _are_counts(*values):
    return all(type(value) is int and 0 <= value < MAX_COUNT for value in values)


def storage_of(identity):
    """Storage of a persistent identity: the word "storage", type, key, device, count, and in old files its view."""
    if len(identity) in (5, 6) and identity[0] == "storage" and type(identity[1]) is Name:
        kind = STORAGES.get(identity[1].name.rpartition(".")[2])
        key, count, view = identity[2], identity[4], identity[5:]
        if kind and type(key) is str and _are_counts(count) and view in ((), (None,)):
            return Storage(key, kind, count)
    raise ValueError("pickle: expected a tensor's storage, got another reference")
