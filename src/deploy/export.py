"""export_network: from a network to a verified file."""

from dataclasses import dataclass
from pathlib import Path

from src.common.errors import InputError
from src.common.files import MINDIR_SUFFIX, ONNX_SUFFIX, PACKED_SUFFIX, replacing

from . import compare as comparing
from .compare import TOLERANCE, Comparison
from .feeding import add_feeding
from .freeze import freeze
from .graph_export import export_graph
from .mindir_file import load_mindir, write_by_framework
from .modes import reports_in
from .onnx_file import require_packages

SUFFIXES = {"MINDIR": MINDIR_SUFFIX, "ONNX": ONNX_SUFFIX, "PACKED": PACKED_SUFFIX}
MINDIR_WRITERS = ("graph", "framework")


@dataclass(frozen=True)
class Exported:
    """Result of an export: the file, its bytes, the number of binary layers, the batches and result of the comparison."""

    path: Path
    size: int
    frozen: int
    batches: tuple
    comparison: Comparison


def export_network(network, file_format, batch_size, feeding, path, mindir_writer="graph"):
    """Write a network to `path`, load that file and compare it with the network. The framework's writer freezes it in place.

    The file takes its place only when the comparison holds; otherwise nothing is left, and a file that was there
    stays. It gets the mode of any new file.

    Args:
        network: images (B, 3, H, W) -> logits, in evaluation, with the plain backend; not compiled before.
        file_format: "MINDIR" or "ONNX".
        batch_size: images per batch, or None for a free number.
        feeding: the Feeding that the file carries; images have its image_size.
        path: ends in the format's suffix.
        mindir_writer: of MINDIR_WRITERS: from the network's graph, by classic primitives; or by MindSpore, which
            takes its newest ones.

    Raises:
        InputError: see `check_request`; a network that cannot be traced; a size that the network does not take; a file that
            cannot be written; a difference above TOLERANCE.
    """
    path = Path(path)
    check_request(file_format, batch_size, path)
    with replacing(path) as temporary, reports_in(temporary.parent):
        batches = comparing.random_batches(batch_size, feeding.image_size)
        expected = comparing.outputs_of(network, batches)
        if mindir_writer == "framework":
            frozen, comparison = _export_by_framework(
                network, batch_size, feeding, temporary, batches, expected
            )
        else:
            frozen, comparison = export_graph(
                network, file_format, batch_size, feeding, temporary, batches, expected
            )
        if not comparison.agrees:
            raise InputError(
                f"{path}: not written: expected logits within {TOLERANCE:g} of the network's on random images, got "
                f"a difference of {comparison} (an untrained network, whose norms have no statistics yet, may "
                "magnify rounding so far)"
            )
        size = temporary.stat().st_size
    return Exported(path, size, frozen, tuple(len(images) for images in batches), comparison)


def check_request(file_format, batch_size, path):
    """Raises InputError for an unknown format or AIR, a bad batch size or suffix, or missing packages for ONNX."""
    if file_format == "AIR":
        raise InputError(
            "file_format AIR: needs an Ascend backend, and cannot be loaded again to be checked; expected MINDIR "
            "(which MindSpore Lite converts for Ascend) or ONNX"
        )
    if file_format not in SUFFIXES:
        raise InputError(f"file_format: expected one of {', '.join(SUFFIXES)}, got {file_format!r}")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size: expected 1 or more, or dynamic, got {batch_size}")
    if Path(path).suffix != SUFFIXES[file_format]:
        raise InputError(
            f"{path}: expected the name of a {file_format} file, ending in {SUFFIXES[file_format]}"
        )
    if file_format == "ONNX":
        require_packages("file_format ONNX")
    if file_format == "PACKED" and batch_size != 1:
        raise InputError("batch_size: a packed file takes any number of images, expected no --batch_size")


def _export_by_framework(network, batch_size, feeding, path, batches, expected):
    """Freeze the network and let MindSpore write a MINDIR file: the number of frozen layers, and the Comparison."""
    frozen = freeze(network)
    write_by_framework(network, batch_size, feeding.image_size, path)
    add_feeding(path, feeding)
    return frozen, comparing.compare(load_mindir(path), batches, expected)
