"""export_network: from a network to a verified file."""

from dataclasses import dataclass
from pathlib import Path

from src.common.errors import InputError
from src.common.files import PACKED_SUFFIX, replacing

from . import compare as comparing
from .compare import TOLERANCE, Comparison
from .feeding import add_feeding
from .freeze import freeze
from .mindir_file import load_mindir, write_mindir
from .mindir_graph import add_outputs
from .modes import reports_in
from .onnx_file import load_onnx, load_onnx_in_parts, require_packages, write_onnx

SUFFIXES = {"MINDIR": ".mindir", "ONNX": ".onnx", "PACKED": PACKED_SUFFIX}


@dataclass(frozen=True)
class Exported:
    """Result of an export: the file, its bytes, the number of frozen layers, the batches and result of the comparison."""

    path: Path
    size: int
    frozen: int
    batches: tuple
    comparison: Comparison


def export_network(network, file_format, batch_size, feeding, path):
    """Freeze the network in place, write it to `path`, load that file and compare it with the network as it was.

    The file takes its place only when the comparison holds; otherwise nothing is left, and a file that was there
    stays. It gets the mode of any new file.

    Args:
        network: images (B, 3, H, W) -> logits, in evaluation, with the plain backend; not compiled before.
        file_format: "MINDIR" or "ONNX".
        batch_size: images per batch, or None for a free number.
        feeding: the Feeding that the file carries; images have its image_size.
        path: ends in the format's suffix.

    Raises:
        InputError: see `check_request`; a size that the network does not take; a file that cannot be written; an
            operation without a translation; a difference above TOLERANCE.
    """
    path = Path(path)
    check_request(file_format, batch_size, path)
    with replacing(path) as temporary, reports_in(temporary.parent):
        batches = comparing.random_batches(batch_size, feeding.image_size)
        expected = comparing.outputs_of(network, batches)
        frozen = freeze(network)
        write = {"MINDIR": _mindir, "ONNX": _onnx}[file_format]
        comparison = write(network, batch_size, feeding, temporary, batches, expected)
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
        require_packages()
    if file_format == "PACKED" and batch_size != 1:
        raise InputError("batch_size: a packed file takes any number of images, expected no --batch_size")


def _mindir(network, batch_size, feeding, path, batches, expected):
    """Write a MINDIR file and return its Comparison."""
    write_mindir(network, batch_size, feeding.image_size, path)
    add_feeding(path, feeding)
    return comparing.compare(load_mindir(path), batches, expected)


def _onnx(network, batch_size, feeding, path, batches, expected):
    """Write an ONNX file by way of a MINDIR file beside it and return its Comparison."""
    mindir, probe = path.with_name("network.mindir"), path.with_name("probe.mindir")
    write_mindir(network, batch_size, feeding.image_size, mindir)
    cuts = write_onnx(mindir, path)
    add_feeding(path, feeding)
    comparison = comparing.compare(load_onnx(path), batches, expected)
    if comparison.agrees or not cuts:
        return comparison
    add_outputs(mindir, [cut.source for cut in cuts], probe)
    run, reference = load_onnx_in_parts(path, cuts), load_mindir(probe)
    return comparing.compare_in_parts(run, reference, cuts, batches, expected, comparison.end_to_end)
