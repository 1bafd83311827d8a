"""Inputs and outputs of an exported network, described in its file, so that the file can be used without its run.

ONNX files have it as `metadata_props`, MINDIR files as `user_info`: texts by the names in `metadata_of`, numbers and
lists as JSON. Both are fields of the file's one protobuf message, and bytes behind a message are merged into it: they
are appended, which leaves the graph as its writer wrote it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from src.common.errors import InputError
from src.common.files import ONNX_SUFFIX, read_file

PIXELS = "RGB, NCHW, (pixel / 255 - mean) / std"
TEXTS = ("model", "precision", "pixels")  # entries that are no JSON


@dataclass(frozen=True)
class Feeding:
    """From a picture to a network's input, and from its outputs to classes.

    The picture is resized until its shorter side has `resize` pixels; the middle image_size x image_size pixels, RGB, are
    the input (B, 3, H, W) as (pixel / 255 - mean) / std. Output k is the logit of class k.

    Args:
        model, precision: of the network, as in the settings.
        mean, std: per channel (red, green, blue), of pixels in [0, 1].
        classes: how many.
        class_names: one per class, or none.

    Raises:
        InputError: another number of names than classes.
    """

    model: str
    precision: str
    image_size: int
    resize: int
    mean: tuple
    std: tuple
    classes: int
    class_names: tuple = ()

    def __post_init__(self):
        if len(self.class_names) not in (0, self.classes):
            raise InputError(
                f"data.class_names: expected {self.classes} names, one for each class, or none, "
                f"got {len(self.class_names)}"
            )


def metadata_of(feeding):
    """The entries of a file, text by name, in a fixed order."""
    values = {**asdict(feeding), "pixels": PIXELS}
    return {key: value if key in TEXTS else _json(value) for key, value in values.items()}


def _json(value):
    """JSON text; characters stay as they are unless UTF-8 has none of them, as of a file's name that is no UTF-8."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or text.encode(errors="ignore").decode() == text else json.dumps(value)


def add_feeding(path, feeding):
    """Append a Feeding to the .onnx or .mindir file at `path`; equal input gives equal bytes."""
    message = _message_type(path)()
    for key, value in metadata_of(feeding).items():
        if Path(path).suffix == ONNX_SUFFIX:
            message.metadata_props.add(key=key, value=value)
        else:
            message.user_info[key] = value
    with open(path, "ab") as file:
        file.write(message.SerializeToString(deterministic=True))


def read_feeding(path):
    """Entries of `add_feeding` in a .onnx or .mindir file, as a dict: the fields of Feeding (lists for tuples), and "pixels".

    Raises:
        InputError: a file that cannot be read, is no such file, or has not all of it.
    """
    try:
        message = _message_type(path).FromString(read_file(path))
        if Path(path).suffix == ONNX_SUFFIX:
            found = {entry.key: entry.value for entry in message.metadata_props}
        else:
            found = dict(message.user_info)
        names = (*Feeding.__dataclass_fields__, "pixels")
        return {key: found[key] if key in TEXTS else json.loads(found[key]) for key in names}
    except InputError:
        raise
    except Exception as error:  # protobuf's, of JSON, of a key that is not there
        what = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: expected an exported file that tells how to feed it, got: {what}"
        ) from error


def _message_type(path):
    """The protobuf message that a file of this suffix is. The packages are loaded here: each is for one format."""
    if Path(path).suffix == ONNX_SUFFIX:
        from onnx import ModelProto
    else:
        from mindspore.train.mind_ir_pb2 import ModelProto
    return ModelProto
