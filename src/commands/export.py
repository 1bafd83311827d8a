"""Export of a checkpoint to a checked MINDIR or ONNX file, or to a packed file."""

from pathlib import Path

from src.commands.build import load_checkpoint, start_device, trained_model, trained_network
from src.common.errors import InputError
from src.common.output import expect_stdout, result
from src.common.text import printable
from src.data.transform import shorter_side
from src.deploy import (
    MINDIR_WRITERS,
    SUFFIXES,
    Feeding,
    check_request,
    export_network,
    write_packed,
)
from src.deploy.feeding import PIXELS
from src.deploy.operations import operations_of
from src.settings.config import with_values

FREE = "dynamic"


def batch_size_of(text):
    """A number of images, or None for any number."""
    if text == FREE:
        return None
    if not (len(text) < 10 and text.isascii() and text.isdecimal() and int(text) > 0):
        raise InputError(f"batch_size: expected a whole number from 1 on, or {FREE}, got {text!r}")
    return int(text)


def writer_of(name, file_format):
    """The writer of MINDIR files by name, the first one without a name."""
    if name is None:
        return MINDIR_WRITERS[0]
    if file_format != "MINDIR":
        raise InputError(f"mindir_writer: expected file_format MINDIR with it, got {file_format}")
    if name not in MINDIR_WRITERS:
        raise InputError(f"mindir_writer: expected one of {', '.join(MINDIR_WRITERS)}, got {name!r}")
    return name


def output_of(args, config, suffix):
    """The path of the file to write."""
    if args.output:
        return Path(args.output)
    checkpoint = Path(config.checkpoint.path)
    return Path(args.output_dir or checkpoint.parent) / f"{checkpoint.stem}{suffix}"


def feeding_of(config):
    """The Feeding of a saved run's network."""
    model, precision = trained_model(config)
    data = config.data
    return Feeding(
        model=model,
        precision=precision,
        image_size=data.image_size,
        resize=shorter_side(data),
        mean=data.mean,
        std=data.std,
        classes=config.model.num_classes,
        class_names=data.class_names,
    )


def show_feeding(feeding):
    """Print what the file tells on its use."""
    size, names = feeding.image_size, len(feeding.class_names)
    result(
        f"images              {size} x {size}, the middle of a picture whose shorter side is resized to {feeding.resize}"
    )
    result(f"pixels              {PIXELS}")
    for name in ("mean", "std"):
        result(f"{name:<20}{', '.join(f'{value:g}' for value in getattr(feeding, name))}")
    result(f"classes             {feeding.classes}, {f'{names} names' if names else 'without names'}")


def report(feeding, exported):
    """Print what was written and how it was checked."""
    sizes = " and ".join(str(size) for size in exported.batches)
    result(
        f"model               {printable(feeding.model)} in {feeding.precision}, {exported.frozen} binary layers frozen"
    )
    show_feeding(feeding)
    result(
        f"compared on         random images of {feeding.image_size} x {feeding.image_size}, batches of {sizes}"
    )
    result(f"file                {printable(exported.path)}")
    result(f"bytes               {exported.size}")
    found = operations_of(exported.path)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(found.items()))
    result(f"operations          {found.total()}: {counts}")
    result(f"largest difference  {exported.comparison}")


def pack(network, config, feeding, output):
    """Write the packed file and print what was written."""
    _, size = write_packed(
        network,
        output,
        variant=feeding.model,
        image_size=feeding.image_size,
        resize=feeding.resize,
        mean=feeding.mean,
        std=feeding.std,
        class_names=feeding.class_names,
    )
    checkpoint_size = Path(config.checkpoint.path).stat().st_size
    weights = "weights at one bit" if feeding.precision == "binary" else "weights of 32 bits"
    result(f"model               {printable(feeding.model)} in {feeding.precision}, {weights}")
    show_feeding(feeding)
    result("compared on         the file, read back: all numbers and bits are the network's")
    result(f"file                {printable(output)}")
    result(f"bytes               {size} ({checkpoint_size / size:.1f} times smaller than the checkpoint)")


def export(args, config):
    """The exit code of an export. args, config: the command line of export.py and its settings."""
    expect_stdout()
    file_format, batch_size = args.file_format.upper(), batch_size_of(args.batch_size)
    start_device(config)
    output = output_of(args, config, SUFFIXES.get(file_format, ""))
    check_request(file_format, batch_size, output)
    writer = writer_of(args.mindir_writer, file_format)
    if file_format != "PACKED" and writer == "graph":  # whose numbers are of 32 bits
        config = with_values(config, {"model.compute_type": "float32"})
    network = trained_network(config, backend="plain", computes=file_format != "PACKED")
    load_checkpoint(network, config.checkpoint.path)
    feeding = feeding_of(config)
    if file_format == "PACKED":
        pack(network, config, feeding, output)
        return 0
    report(feeding, export_network(network, file_format, batch_size, feeding, output, writer))
    return 0
