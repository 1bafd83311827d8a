"""The command line that train.py, eval.py and export.py share. MindSpore is not imported here: help is quick."""

import argparse
import difflib
import os
import re
import signal
import sys
import traceback
from pathlib import Path

from src.common.errors import InputError
from src.common.files import MINDIR_SUFFIX, ONNX_SUFFIX, PACKED_SUFFIX, reason
from src.common.output import ReaderGone, prepare_streams, result, settle_streams, warn
from src.common.text import one_line
from src.settings.config import command_line_values, load_config, nearest_keys, show
from src.settings.help import help_text
from src.settings.schema import TYPES
from src.settings.yaml import read_yaml

CONFIG_NAME = "config.yaml"
RELEASED_CONFIG = Path(__file__).resolve().parents[2] / "config" / "released.yaml"
RELEASED_PREFIX = "released_"  # of the names of the authors' networks
# everyday flag -> key that it sets
FLAGS = {
    "data_path": "data.path",
    "output_dir": "output_dir",
    "device_target": "device_target",
    "checkpoint": "checkpoint.path",
}
BY_NAME = "data.labels=name"  # a run's choice for its own data does not hold for others
PATH = os.path.expanduser  # type of a flag that names a file or folder
OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are InputErrors, and whose help is a result."""

    def error(self, message):
        raise InputError(f"command line: {message}")

    def print_help(self, file=None):
        result(self.format_help().rstrip("\n"))


class SettingsParser(Parser):
    """A Parser whose help ends with every setting."""

    def format_help(self):
        return f"{super().format_help()}\n{help_text()}\n"


def create_parser(program, description):
    """A SettingsParser with the everyday flags; a script adds its own with `add_argument`.

    Args:
        program: file name of the script, as "train.py".
        description: its purpose, with an example.
    """
    parser = SettingsParser(
        prog=program,
        usage=f"python {program} [--flag value ...] [section.key=value ...]",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config_path", type=PATH, metavar="FILE", help="YAML file that overlays default_config.yaml"
    )
    parser.add_argument("--data_path", type=PATH, metavar="DIR", help="sets data.path")
    parser.add_argument("--output_dir", type=PATH, metavar="DIR", help="sets output_dir")
    parser.add_argument("--device_target", metavar="NAME", help="sets device_target: CPU, GPU or Ascend")
    parser.add_argument("--checkpoint", type=PATH, metavar="FILE", help="sets checkpoint.path")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="any setting, see below")
    return parser


def add_model_flag(parser):
    """Add --model, which `config_of_checkpoint` reads."""
    parser.add_argument(
        "--model", metavar="NAME", help="a model's name, for a checkpoint without a run beside it"
    )


def parse(parser, argv):
    """The parsed arguments; `overrides` holds the texts section.key=value in their order.

    Such a text is an override anywhere but right behind a flag. They are taken out first, for argparse would give those
    behind a flag of several values to the flag (--image a.png b.png data.image_size=32).

    Raises:
        InputError: unknown flag, with the nearest known one; missing or wrong value.
    """
    found = {
        index
        for index, text in enumerate(argv)
        if OVERRIDE.match(text) and not (index and argv[index - 1].startswith("--"))
    }
    args, unknown = parser.parse_known_intermixed_args([t for i, t in enumerate(argv) if i not in found])
    if unknown:
        raise InputError(f"command line: {_unknown_flag(parser, unknown[0])}")
    wanted = {argv[index] for index in found} | set(args.overrides)
    args.overrides = [text for text in argv if text in wanted]
    return args


def _unknown_flag(parser, text):
    flag = text.partition("=")[0]
    name = flag.lstrip("-")
    if name in TYPES:
        return f"unknown flag {flag}; a setting is given without dashes: {name}=value"
    known = [option for action in parser._actions for option in action.option_strings]
    near = difflib.get_close_matches(flag, known, n=1)
    if not near:
        near = [f"{key}=value" for key in nearest_keys(name)]
    return f"unknown flag {flag}" + (f"; did you mean {' or '.join(near)}?" if near else "; see --help")


def flags_of(args):
    """The everyday flags that were given, as a dict from key to value."""
    values = {key: getattr(args, flag) for flag, key in FLAGS.items()}
    return {key: value for key, value in values.items() if value is not None}


def config_from(args):
    """The Config of parsed arguments: defaults, --config_path, overrides, flags; later wins."""
    return load_config(args.config_path, args.overrides, flags_of(args))


def config_beside(checkpoint_path, overrides=(), flags=None):
    """The Config saved in the folder of a checkpoint, then overrides and flags as in `load_config`.

    Raises:
        InputError: no such checkpoint, or no whole config.yaml beside it, see `settings_beside`.
    """
    checkpoint_path = Path(checkpoint_path)
    if not os.path.isfile(checkpoint_path):  # unlike Path.is_file, it never raises
        odd = "not a regular file" if os.path.exists(checkpoint_path) else "no such file"
        what = "a folder" if os.path.isdir(checkpoint_path) else odd
        raise InputError(f"checkpoint {checkpoint_path}: expected a file, got: {what}")
    path = settings_beside(checkpoint_path)
    if path is None:
        places = " or ".join(map(str, _settings_paths(checkpoint_path)))
        raise InputError(
            f"checkpoint {checkpoint_path}: expected the settings of its run in {places}, got: no such file; "
            "give the settings that it was trained with by --config_path"
        )
    return load_config(path, [BY_NAME, *overrides], flags, complete=True)


def settings_beside(path):
    """The config.yaml in the folder of a file, or where the file is a link beside what it leads to; None for neither."""
    return next((each for each in _settings_paths(path) if os.path.isfile(each)), None)


def saved_classes(path):
    """The classes of a checkpoint by the settings of its run beside it, a tuple of names; () where none are known."""
    settings = settings_beside(path)
    try:
        data = read_yaml(settings)["data"] if settings else {}
        names = data.get("classes") or data.get("class_names") or ()  # older runs have the latter alone
        return tuple(map(str, names))
    except (InputError, LookupError, TypeError, AttributeError):  # settings of another program
        return ()


def _settings_paths(path):
    """Paths of a file's settings, the nearest first."""
    paths = [Path(path).parent / CONFIG_NAME]
    if os.path.islink(path):
        paths.append(Path(os.path.realpath(path)).parent / CONFIG_NAME)
    return paths


def config_of_checkpoint(args):
    """The Config for using the checkpoint of parsed arguments, with overrides and flags.

    It is that of the run that wrote the checkpoint, from the file beside it, unless --config_path is given, or
    --model: then the defaults hold, for the authors' files config/released.yaml.

    Raises:
        InputError: as `config_beside` and `load_config`, or no checkpoint is named.
    """
    if args.model:
        args.overrides.append(f"model.name={args.model}")
        if args.model.startswith(RELEASED_PREFIX) and not args.config_path:
            args.config_path = RELEASED_CONFIG
    if args.model or args.config_path:
        config = config_from(args)
        checkpoint = config.checkpoint.path
    else:
        checkpoint = args.checkpoint
        config = config_beside(checkpoint, args.overrides, flags_of(args)) if checkpoint else None
    if not checkpoint:
        raise InputError("command line: expected --checkpoint FILE, got none")
    return config


def config_of_file(args):
    """Config for using a file that has its network in it, with the network's settings.

    The other settings, the data above all, come from the file beside it, as of a checkpoint, where there is one, else
    from --config_path or the defaults; then overrides and flags.
    """
    beside = settings_beside(args.checkpoint)
    if beside and not args.config_path:
        return load_config(beside, [BY_NAME, *args.overrides], flags_of(args), complete=True)
    return config_from(args)


def has_network(args):
    """True where the checkpoint of parsed arguments is a file that has its network in it, by its name."""
    return Path(args.checkpoint or "").suffix in (PACKED_SUFFIX, ONNX_SUFFIX, MINDIR_SUFFIX)


def check_against_file(args, own):
    """Refuse settings of the command line that have no effect on a file that has its network, and so its own settings.

    Args:
        own: key -> value, of the file.

    Raises:
        InputError: a key of `own` with another value, or a further one of the model's.
    """
    for key, value in command_line_values(args.overrides, flags_of(args)).items():
        if key in own and value != own[key]:
            raise InputError(f"{key}: the file has its own, expected {show(own[key])}, got {show(value)}")
        if key.startswith("model.") and key not in own:
            raise InputError(
                f"{key}: expected no settings of the model, which the file has in it, got {show(value)}"
            )


def run(main, argv=None):
    """Call main(argv) and return the exit code of the program.

    0 or main's code; 2 after an InputError or an error of the system, with one line "error: ..." on stderr (behind the
    traceback with python -X dev); 130 after Ctrl-C; 141, as of a program that SIGPIPE ends, when the reader of the results
    has gone. --help leaves by SystemExit, as argparse does. Streams that are closed or cannot be written lose remarks, and
    change no exit code (see output.py).
    """
    prepare_streams()
    try:
        return main(sys.argv[1:] if argv is None else argv) or 0
    except InputError as error:
        return _refused(error, error)
    except ReaderGone:
        return 128 + signal.SIGPIPE
    except OSError as error:  # of a path that nobody tried before
        where = f"{error.filename}: " if error.filename else ""
        return _refused(f"{where}{reason(error)}", error)
    except MemoryError as error:
        words = str(error) or "smaller images or batches need less"
        return _refused(f"not enough memory: {words}", error)
    except KeyboardInterrupt:
        warn("error: stopped by the keyboard")
        return 130
    finally:
        settle_streams()


def _refused(message, error):
    """Say why on stderr, in one line; returns the exit code."""
    if sys.flags.dev_mode:
        traceback.print_exception(error)
    warn(f"error: {one_line(message)}")
    return 2
