"""Weights of other programs: python -m src.commands.convert --source NAME FILE --model NAME --output OUT.ckpt [section.key=value ...].

FILE is a PyTorch file (.pth, .pth.tar, .th, in both forms), a NumPy archive (.npz) or a safetensors file with the names
of the source's own code, or Keras' HDF5, for which h5py must be installed. Nothing in it is executed. Prints which of its arrays
became which parameter, and what was left aside; anything else is an error. Writes OUT.ckpt, and config.yaml beside it, so that
eval.py --checkpoint OUT.ckpt --data_path FOLDER works.
"""

import argparse
import os
import sys
from pathlib import Path

from src.checkpoint.foreign.sources import SOURCES, class_count
from src.commands.build import build_network, start_device
from src.common.errors import InputError
from src.common.files import ensure_writable_dir
from src.common.output import result, warn
from src.common.text import one_line, printable
from src.settings.command_line import CONFIG_NAME, PATH, Parser, parse, run
from src.settings.config import command_line_values, load_config, save_config, to_flat, with_values

CIFAR_SIZE = 32  # pixels of the images of CIFAR-10


def arguments(argv):
    """The parsed command line."""
    program = "python -m src.commands.convert"
    parser = Parser(
        prog=program,
        usage=f"{program} --source NAME FILE --model NAME --output OUT.ckpt [section.key=value ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", type=PATH, metavar="FILE", help="weights of the source's network")
    parser.add_argument(
        "--source", required=True, metavar="NAME", help=f"whose names FILE has: {', '.join(SOURCES)}"
    )
    parser.add_argument("--model", required=True, metavar="NAME", help="the same network of this project")
    parser.add_argument(
        "--output", required=True, type=PATH, metavar="OUT.ckpt", help="the checkpoint to write"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings, as model.options={..}"
    )
    args = parse(parser, argv)
    if args.source not in SOURCES:
        raise InputError(f"--source: expected one of {', '.join(SOURCES)}, got {args.source!r}")
    return args


def settings_of(args, classes):
    """Settings of the written checkpoint: the network's, those of its source, then the command line's; model.options by option.

    classes: number of classes by the file, 0 where it is not known.
    """
    from src.model import image_size_of

    source, size = SOURCES[args.source], image_size_of(args.model)
    names = source.classes.get(args.model, ())
    given = command_line_values(args.overrides)
    for key in given:
        if not key.startswith(("model.", "data.")) or key == "model.name":
            raise InputError(
                f"{key}: expected settings of the model, but its name, and of the data, got another"
            )
    own = {
        "model.name": args.model,
        "model.num_classes": classes,
        "model.options": source.options_of(args.model),
        "data.source": "cifar10" if size == CIFAR_SIZE else "imagenet",
        "data.image_size": size,
        "data.mean": source.mean,
        "data.std": source.std,
        "data.classes": names if len(names) == classes else (),
        "data.class_names": names if len(names) == classes else (),
    }
    options = {**own["model.options"], **given.pop("model.options", {})}
    config = with_values(load_config(), {**own, **given, "model.options": options})
    if not config.model.num_classes:
        raise InputError(
            f"weights {args.file}: expected the bias of a classifier, which tells the number of classes, found none; give "
            "model.num_classes=N"
        )
    return config


def rules_of(args):
    """Rules of names for the network. Raises InputError for one that the source does not have."""
    from src.model import model_names

    source = SOURCES[args.source]
    known = [name for name in model_names() if source.rules(name) is not None]
    if args.model not in known:
        raise InputError(
            f"--model: expected a network of {args.source}, {', '.join(known)}, got {args.model!r}"
        )
    return source.rules(args.model)


def report(conversion, source):
    """Lines on what became of each array."""
    lines = [
        f"{' + '.join(theirs)} -> {name} {tuple(conversion.arrays[name].shape)}"
        for name, theirs in conversion.matched.items()
    ]
    lines += [f"{name}: left aside: {reason}" for name, reason in conversion.aside.items()]
    lines += [f"{name}: keeps its value: {source} has no such parameter" for name in conversion.kept]
    return lines


def require_place(output, config):
    """Raise InputError where the folder of `output` has the settings of another checkpoint."""
    path = Path(output).parent / CONFIG_NAME
    if os.path.lexists(path) and to_flat(load_config(path, complete=True)) != to_flat(config):
        raise InputError(
            f"{path}: expected no settings of another checkpoint, got some; write to another folder"
        )
    return path


def main(argv):
    """Reads the file, builds the network, matches, writes the checkpoint and its settings."""
    args = arguments(argv)
    from src.checkpoint.file import parameters_of, save_checkpoint  # loads the framework: help is quick
    from src.checkpoint.foreign.conversion import convert
    from src.checkpoint.foreign.reading import read_foreign

    rules = rules_of(args)
    foreign = read_foreign(args.file)
    config = settings_of(args, class_count(foreign.arrays))
    place = require_place(args.output, config)
    start_device(config)
    network = build_network(config, args.model, config.model.num_classes, "binary", backend="plain")
    parameters = parameters_of(network)
    target = {name: (p.shape, p.requires_grad) for name, p in parameters.items()}
    conversion = convert(foreign, rules, target, args.file)
    import mindspore as ms

    for name, array in conversion.arrays.items():
        parameters[name].set_data(ms.Tensor(array, parameters[name].dtype))
    ensure_writable_dir(place.parent)
    save_config(config, place)
    save_checkpoint(args.output, network)
    for line in report(conversion, args.source):
        result(printable(line))
    beside = f"; beside the weights in the file: {', '.join(foreign.rest)}" if foreign.rest else ""
    arrays = f"{len(conversion.aside)} array{'s' * (len(conversion.aside) != 1)}"
    warn(
        one_line(
            f"{len(conversion.matched)} of the network's {len(target)} parameters matched, {arrays} left aside{beside}"
        )
    )
    warn(f"written: {args.output}, {place}")


if __name__ == "__main__":
    sys.exit(run(main))
