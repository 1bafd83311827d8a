#!/usr/bin/env python
"""Export a checkpoint to a checked file: python export.py --checkpoint F --file_format MINDIR [--batch_size N|dynamic]."""

import sys
from pathlib import Path

from src.cli import add_model_flag, config_of_checkpoint, create_parser, parse, run
from src.errors import InputError
from src.text import printable

DESCRIPTION = (
    "Freezes the binary weights to -1 and +1 and their scale, writes the network with plain convolutions, loads\n"
    "the file again and compares it with the network on random images; the file stays only if they agree.\n"
    "example: python export.py --checkpoint output/step2/best.ckpt --file_format MINDIR --batch_size dynamic"
)
FREE = "dynamic"


def arguments(argv):
    """The parsed command line."""
    parser = create_parser("export.py", DESCRIPTION)
    add_model_flag(parser)
    parser.add_argument(
        "--file_format",
        metavar="NAME",
        default="MINDIR",
        help="MINDIR (default), ONNX or PACKED (1-bit weights)",
    )
    parser.add_argument(
        "--batch_size", metavar="N", default="1", help=f"images per batch (default: 1), or {FREE}: any number"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="default: the checkpoint's name with another ending, in its folder or --output_dir",
    )
    return parse(parser, argv)


def batch_size_of(text):
    """A number of images, or None for any number."""
    if text == FREE:
        return None
    if not (len(text) < 10 and text.isascii() and text.isdecimal() and int(text) > 0):
        raise InputError(f"batch_size: expected a whole number from 1 on, or {FREE}, came {text!r}")
    return int(text)


def output_of(args, config, suffix):
    """The path of the file to write."""
    if args.output:
        return Path(args.output)
    checkpoint = Path(config.checkpoint.path)
    return Path(args.output_dir or checkpoint.parent) / f"{checkpoint.stem}{suffix}"


def report(model, image_size, exported):
    """Print what was written and how it was checked."""
    name, precision = model
    sizes = " and ".join(str(size) for size in exported.batches)
    print(f"model               {printable(name)} in {precision}, {exported.frozen} binary layers frozen")
    print(f"compared on         random images of {image_size} x {image_size}, batches of {sizes}")
    print(f"file                {printable(exported.path)}")
    print(f"bytes               {exported.size}")
    print(f"largest difference  {exported.comparison}")


def pack(network, config, output):
    """Write the packed file and print what was written."""
    from src.build import trained_model
    from src.data.transform import shorter_side
    from src.deploy import write_packed

    data = config.data
    description, size = write_packed(
        network,
        output,
        variant=trained_model(config)[0],
        image_size=data.image_size,
        resize=shorter_side(data),
        mean=data.mean,
        std=data.std,
        class_names=data.class_names,
    )
    checkpoint_size = Path(config.checkpoint.path).stat().st_size
    print(f"model               {printable(description.variant)} in binary, weights at one bit")
    print("compared on         the file, read back: all numbers and bits are the network's")
    print(f"file                {printable(output)}")
    print(f"bytes               {size} ({checkpoint_size / size:.1f} times smaller than the checkpoint)")


def main(argv):
    """Exports; returns the exit code."""
    args = arguments(argv)
    file_format, batch_size = args.file_format.upper(), batch_size_of(args.batch_size)
    config = config_of_checkpoint(args)
    from src.build import load_weights, start_device, trained_model, trained_network

    start_device(config)
    from src.deploy import SUFFIXES, check_request, export_network

    output = output_of(args, config, SUFFIXES.get(file_format, ""))
    check_request(file_format, batch_size, output)
    network = trained_network(config, form="plain")
    load_weights(network, config.checkpoint.path)
    if file_format == "PACKED":
        pack(network, config, output)
        return 0
    exported = export_network(network, file_format, batch_size, config.data.image_size, output)
    report(trained_model(config), config.data.image_size, exported)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
