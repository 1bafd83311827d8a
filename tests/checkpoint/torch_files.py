"""Files as torch.save writes them, in both forms, without torch: for tests of the reader.

The pickles are Python's own, written by its pickler, with PyTorch's names in place of functions.
"""

import io
import pickle
import struct
import zipfile

import numpy as np

STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


class Global:
    """A name that the pickle asks for."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        """Never called: pickle wants what can be."""


class Storage:
    """Numbers of one axis, under a key."""

    def __init__(self, key, array, count=None):
        self.key, self.array, self.count = key, array, len(array) if count is None else count


class Tensor:
    """Tensor of a Storage."""

    def __init__(self, storage, offset, shape, strides):
        self.parts = storage, offset, shape, strides, False, Mapping()

    def __reduce__(self):
        return Global("torch._utils", "_rebuild_tensor_v2"), self.parts


class Mapping(dict):
    """An OrderedDict with the state that state_dict() gives it."""

    def __reduce__(self):
        state = {"_metadata": {"version": 1}} if self else None
        return Global("collections", "OrderedDict"), (), state, None, iter(self.items())


class Call:
    """A call of a Global with arguments."""

    def __init__(self, module, name, *arguments):
        self.parts = Global(module, name), arguments

    def __reduce__(self):
        return self.parts


class _Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        kind = Global("torch", STORAGES[str(value.array.dtype)])
        return ("storage", kind, value.key, "cpu", value.count, *self.view)

    def save_name(self, value):
        if self.proto < 4:
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        else:
            self.save(value.module)
            self.save(value.name)
            self.write(pickle.STACK_GLOBAL)

    dispatch[Global] = save_name


def pickled(value, protocol=2, view=()):
    """The pickle of a value with Tensors, Calls and Globals; view: the last part of old files' storages."""
    file = io.BytesIO()
    pickler = _Pickler(file, protocol)
    pickler.view = view
    pickler.dump(value)
    return file.getvalue()


def tensors_of(arrays):
    """Mapping of Tensors, each with a storage of its own, and the storages."""
    storages = {name: Storage(str(i), array.ravel()) for i, (name, array) in enumerate(arrays.items())}
    strides = {name: [step // array.itemsize for step in array.strides] for name, array in arrays.items()}
    found = Mapping(
        (name, Tensor(storages[name], 0, array.shape, tuple(strides[name]))) for name, array in arrays.items()
    )
    return found, list(storages.values())


def zip_form(value, storages, protocol=2, folder="archive"):
    """Bytes of the form since PyTorch 1.6."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{folder}/data.pkl", pickled(value, protocol))
        for storage in storages:
            archive.writestr(f"{folder}/data/{storage.key}", storage.array.tobytes())
        archive.writestr(f"{folder}/version", "3\n")
    return file.getvalue()


def old_form(value, storages, protocol=2):
    """Bytes of the form before PyTorch 1.6."""
    facts = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(each, protocol) for each in (MAGIC, VERSION, facts)]
    parts += [pickled(value, protocol, (None,)), pickle.dumps([each.key for each in storages], protocol)]
    for storage in storages:
        parts += [struct.pack("<q", len(storage.array)), storage.array.tobytes()]
    return b"".join(parts)


FORMS = {"zip": zip_form, "old": old_form}


def arrays():
    """Arrays of every type and some shapes."""
    rng = np.random.default_rng(0)
    return {
        "module.conv1.weight": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "module.bn1.num_batches_tracked": np.array(7),
        "half": rng.standard_normal(5).astype(np.float16),
        "double": rng.standard_normal((2, 1)),
        "mask": np.array([True, False]),
        "bytes": np.arange(9, dtype=np.uint8),
    }
