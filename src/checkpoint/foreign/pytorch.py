"""PyTorch's files (.pth, .pth.tar, .th, .pt): tensors by name, in both forms, without running what is pickled.

Zip form, since PyTorch 1.6: an archive with one folder; in it `data.pkl`, the pickled object, whose tensors refer to
storages by key, and `data/<key>`, the numbers of each storage. Old form: five pickles (a magic number, a version, facts
on the machine, the object, the list of the storages' keys), then for each key a count of 8 bytes and the numbers.
"""

import numpy as np

from src.checkpoint.foreign.archive import Archive
from src.checkpoint.foreign.pickled import read_pickle
from src.checkpoint.foreign.torch_names import View

OLD_MAGIC, OLD_VERSION = 0x1950A86A20F9469CFC6C, 1001
OBJECT, LITTLE = "data.pkl", b"little"
# keys of a checkpoint under which its weights stand, in the order in which they are looked for
WEIGHTS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
BFLOAT16 = "bfloat16"
MAX_AXES = 8


def read_pytorch(data):
    """(arrays by name, names of what else the file holds). Arrays are views of its bytes.

    A file holds the mapping of weights alone, or under one of WEIGHTS beside what training keeps.

    Raises:
        ValueError: a pickle that names what is not in the table of `pickled`, no tensors, a tensor beyond its storage.
    """
    found, bytes_of = _zip_form(data) if data.startswith(b"PK") else _old_form(data)
    weights, rest = _weights(found)
    storages, arrays = {}, {}
    for name, view in weights.items():
        if type(view) is not View:
            rest.append(name)
            continue
        key = view.storage.key
        if key not in storages:
            storages[key] = (view.storage, _numbers(view.storage, bytes_of(view.storage)))
        arrays[name] = _array(name, view, *storages[key])
    if not arrays:
        raise ValueError("expected tensors by name, got none")
    return arrays, rest


def _zip_form(data):
    """(pickled value, Storage -> bytes)."""
    archive = Archive(data)
    folders = [name.removesuffix(OBJECT) for name in archive.names if name.endswith(f"/{OBJECT}")]
    if len(folders) != 1:
        raise ValueError(f"expected one member {OBJECT}, got {len(folders)}")
    folder = folders[0]
    order = f"{folder}byteorder"
    if order in archive.names and archive.read(order) != LITTLE:
        raise ValueError("expected little-endian numbers")
    value, _ = read_pickle(archive.read(folder + OBJECT))
    return value, lambda storage: archive.read(f"{folder}data/{storage.key}")


def _old_form(data):
    """(pickled value, Storage -> bytes)."""
    place = 0
    for expected in (OLD_MAGIC, OLD_VERSION):
        value, place = read_pickle(data, place)
        if value != expected:
            raise ValueError("expected a file of torch.save, got another pickle")
    machine, place = read_pickle(data, place)
    if type(machine) is not dict or machine.get("little_endian") is not True:
        raise ValueError("expected little-endian numbers")
    value, place = read_pickle(data, place)
    keys, place = read_pickle(data, place)
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise ValueError("expected a list of storages")
    sizes = {view.storage.key: _item_bytes(view.storage) for view in _views(value)}
    places = {}
    for key in keys:
        count = int.from_bytes(data[place : place + 8], "little")
        if key in places or key not in sizes:
            raise ValueError(f"storage {key[:40]}: expected one that a tensor names, once")
        place += 8
        places[key] = (place, place + count * sizes[key])
        place = places[key][1]
    if place != len(data):
        raise ValueError(f"expected storages of {place} bytes in all, got a file of {len(data)}")

    def bytes_of(storage):
        if storage.key not in places:
            raise ValueError(f"storage {storage.key[:40]}: its numbers are not there")
        start, end = places[storage.key]
        return memoryview(data)[start:end]

    return value, bytes_of


def _views(value):
    """All tensors in a value, those of optimizers included."""
    seen, waiting = set(), [value]
    while waiting:
        each = waiting.pop()
        if type(each) is View:
            yield each
        elif type(each) in (dict, list, tuple) and id(each) not in seen:
            seen.add(id(each))
            waiting += each.values() if type(each) is dict else each


def _weights(value):
    """(mapping of the weights, names of what stands beside them)."""
    if type(value) is not dict:
        raise ValueError(f"expected tensors by name, got {type(value).__name__}")
    for key in WEIGHTS:
        inner = value.get(key)
        if type(inner) is dict and any(type(each) is View for each in inner.values()):
            return _named(inner), [str(name) for name in value if name != key]
    return _named(value), []


def _named(mapping):
    if any(type(name) is not str for name in mapping):
        raise ValueError("expected tensors by name, got numbers in place of names")
    return mapping


def _item_bytes(storage):
    return 2 if storage.kind == BFLOAT16 else np.dtype(storage.kind).itemsize


def _numbers(storage, content):
    """The numbers of a storage, of one axis; bfloat16 as float32."""
    if len(content) != storage.count * _item_bytes(storage):
        raise ValueError(
            f"storage {storage.key[:40]}: expected {storage.count} numbers of {storage.kind}, got {len(content)} bytes"
        )
    if storage.kind == BFLOAT16:
        return (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(content, storage.kind)


def _array(name, view, storage, numbers):
    """The numbers of a tensor as an array: a view of its storage's."""
    shape, strides = view.shape, view.strides
    if view.storage != storage or len(shape) != len(strides) or len(shape) > MAX_AXES:
        raise ValueError(f"{name}: expected one storage, and as many strides as axes")
    last = view.offset + sum((n - 1) * step for n, step in zip(shape, strides))
    if min(shape, default=1) < 1 or last >= len(numbers):
        raise ValueError(
            f"{name}: expected a tensor in its storage of {len(numbers)} numbers, got shape {shape}"
        )
    if np.prod(shape, dtype=object) > len(numbers):
        raise ValueError(f"{name}: expected at most the {len(numbers)} numbers of its storage, got {shape}")
    steps = [step * numbers.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(numbers[view.offset :], shape, steps, writeable=False)
