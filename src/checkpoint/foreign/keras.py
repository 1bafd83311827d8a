"""Keras' weights in HDF5 (.h5, .hdf5), which larq's networks are published in: arrays by "layer/variable".

h5py reads them, where it is installed. Only plain data sets in the file itself are taken: no links to other files, no
virtual data sets, no numbers kept elsewhere, no filters but HDF5's own. Kernels are HWIO and (in, out).
"""

import io
import math

from src.common.errors import InputError

MAX_OBJECTS, MAX_DEPTH = 10_000, 12
MAX_RATIO = 100  # of the numbers' bytes to the file's
OWN_FILTERS = (1, 2, 3)  # deflate, shuffle, Fletcher's checksum
OPTIMIZER = "optimizer_weights"  # group beside model_weights in a saved model


def read_keras(data):
    """The arrays of an HDF5 file under the last two words of their paths, as "quant_conv2d/kernel".

    Raises:
        InputError: h5py is not installed.
        ValueError: another kind of content, two arrays of one name, or more than the limits.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "expected h5py, which reads HDF5 files, got none in this environment; install it (pip install h5py), or save "
            "the weights as .npz"
        ) from error
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return _arrays(h5py, file, len(data))
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError, UnicodeError) as error:
        raise ValueError(f"HDF5: {error}") from error


def _arrays(h5py, file, size):
    found, total, objects = {}, 0, 0
    waiting = [("", file, 0)]
    while waiting:
        path, group, depth = waiting.pop()
        for key in group:
            name, objects = f"{path}/{key}".lstrip("/"), objects + 1
            if objects > MAX_OBJECTS or depth > MAX_DEPTH:
                raise ValueError(f"HDF5: expected at most {MAX_OBJECTS} objects, {MAX_DEPTH} levels deep")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise ValueError(f"HDF5: {name}: expected no links")
            item = group[key]
            if isinstance(item, h5py.Group):
                if name != OPTIMIZER:
                    waiting.append((name, item, depth + 1))
                continue
            _require_plain(name, item)
            total += math.prod(item.shape) * item.dtype.itemsize
            if total > MAX_RATIO * size:
                raise ValueError(f"HDF5: expected numbers of at most {MAX_RATIO} times the file's size")
            short = "/".join(name.split("/")[-2:]).partition(":")[0]
            if short in found:
                raise ValueError(f"HDF5: two arrays are named {short}")
            found[short] = item[()]
    return found


def _require_plain(name, item):
    """Raise ValueError unless an object is a data set of numbers in this file."""
    filters = item.id.get_create_plist()
    numbers = {filters.get_filter(i)[0] for i in range(filters.get_nfilters())}
    if item.dtype.kind not in "fiub" or item.is_virtual or item.external or numbers - set(OWN_FILTERS):
        raise ValueError(f"HDF5: {name}: expected a data set of numbers in this file")
