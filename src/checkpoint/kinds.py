"""Files that people take for a checkpoint and that are something else, by their first bytes."""

import re

from src.common.files import PACKED_SIGNATURE

HEAD_BYTES = 4096  # bytes examined
AS_CHECKPOINT = "take the weights as a MindSpore checkpoint (.ckpt) or a safetensors file"
CONVERTED = f"{AS_CHECKPOINT}, which python -m src.commands.convert makes of a network that it knows"
SOURCE = "take the checkpoint (.ckpt) that it was made of"
INSIDE = "take the checkpoint in it, unpacked"
# pattern at the beginning of the file -> its kind, and the file to take instead
KINDS = {
    rb"[\s\xef\xbb\xbf]*<(?i:!doctype html|html|\?xml)": (
        "a web page",
        "take the file itself, which the page's link for downloads leads to",
    ),
    # version, then the producer's name
    rb"\n.[\x20-\x7e]{1,40}\x12(\x09MindSpore|\x05bimlp)": (
        "a MINDIR file, which eval.py takes under a name ending in .mindir if export.py wrote it",
        SOURCE,
    ),
    # version of the format, then one of the message's other fields
    rb"\x08[\x01-\x40][\x12\x1a\x22\x28\x32\x3a\x42\x72]": (
        "an ONNX file, which eval.py takes under a name ending in .onnx if export.py wrote it",
        SOURCE,
    ),
    # of a zip archive the first member's name
    rb"PK\x03\x04.{26}[^\x00]{0,200}data\.pkl": ("a PyTorch file", CONVERTED),
    rb"PK\x03\x04.{26}[^\x00]{0,200}\.npy": ("a NumPy archive (.npz)", CONVERTED),
    rb"PK(\x03\x04|\x05\x06)": ("a zip archive", INSIDE),
    rb"\x1f\x8b": ("a gzip archive", INSIDE),
    # the number that PyTorch's older files begin with, pickled
    rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19": ("a PyTorch file", CONVERTED),
    rb"\x80[\x02-\x05][\x20-\x95]": ("a Python pickle, which can run code", AS_CHECKPOINT),
    rb"\x93NUMPY": ("a NumPy array (.npy)", AS_CHECKPOINT),
    rb"\x89HDF\r\n": ("an HDF5 file", CONVERTED),
    re.escape(PACKED_SIGNATURE): (
        "a packed file, which eval.py takes under a name ending in .packed",
        SOURCE,
    ),
}


def kind_of(data):
    """Kind of a file that is no checkpoint and the file to take instead, in words; None where it is not known."""
    head = bytes(data[:HEAD_BYTES])
    if head.startswith(b"version https://git-lfs"):
        size = re.search(rb"^size (\d{1,20})$", head, re.MULTILINE)
        stands = f", which stands for a file of {int(size[1])} bytes" if size else ""
        return f"a git-LFS pointer{stands}; take that file: git lfs pull fetches it"
    for pattern, words in KINDS.items():
        if re.match(pattern, head, re.DOTALL):
            return "; ".join(words)
    return None
