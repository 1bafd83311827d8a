"""Settings: default_config.yaml, an overlay and overrides become one frozen Config.

Types, rules and traits are in schema.py; values only in default_config.yaml, whose comments are the help texts
(help.py). Every problem is an InputError of one line that names the file (or "command line"), the key,
what was expected and what it got.
"""

import dataclasses
import difflib
import math
import os
import re
import typing
from pathlib import Path

from src.common.errors import InputError
from src.common.files import write_atomic
from src.common.frozen_dict import FrozenDict
from src.common.output import warn
from src.common.text import cut
from src.settings.schema import (
    RENAMED,
    SECTIONS,
    TRAITS,
    TYPES,
    CheckpointConfig,
    Config,
    DataConfig,
    ModelConfig,
    StageConfig,
    Stages,
    TrainConfig,
    keys_with,
    rule_of,
)
from src.settings.yaml import dump_yaml, parse_yaml, read_yaml

__all__ = [
    "CheckpointConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "StageConfig",
    "Stages",
    "TrainConfig",
    "load_config",
    "save_config",
    "with_absolute_paths",
    "with_values",
]

DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / "default_config.yaml"
COMMAND_LINE = "command line"
STAGE_NAMES = tuple(Stages.__dataclass_fields__)
DECIMAL = re.compile(
    r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?", re.ASCII
)  # as a text; float() takes more
MAX_INT = 2**32 - 1  # of any setting


def load_config(path=None, overrides=(), flags=None, complete=False):
    """The settings: default_config.yaml, then the overlay at `path`, then overrides, then flags; later wins.

    Args:
        path: a YAML file that holds only the keys that differ, or None.
        overrides: texts "section.key=value" from a command line.
        flags: dict from key to value; a value None is left out. Text is read as on the command line.
        complete: the file at `path` must give every key, as one written by `save_config` does; only the
            younger ones (see Traits) may be missing and take their defaults.

    Raises:
        InputError: a file that cannot be read or is not YAML; a key that is unknown (with the nearest known
            one), missing, given twice, of the wrong type or out of its range.
    """
    values = _read_values(DEFAULT_CONFIG)
    _require_all(values, DEFAULT_CONFIG)
    if path is not None:
        overlay = _read_values(path, saved=complete)
        if complete:
            _require_all(
                {*overlay, *keys_with("younger")},
                path,
                "; given by --config_path, missing keys take their defaults",
            )
        if complete and "data.classes" not in overlay:  # of a run that is older: its names are the data's own
            overlay["data.classes"] = overlay["data.class_names"]
        values.update(overlay)
    values.update(command_line_values(overrides, flags))
    return _build(Config, values)


def command_line_values(overrides, flags=None):
    """The checked values of overrides, then of flags, from full key to value; arguments and errors as of `load_config`."""
    values = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{COMMAND_LINE}: expected section.key=value, got {text!r}")
        key = _set_by(key.strip(), value)
        values[key] = _from_text(key, value)
    for key, value in (flags or {}).items():
        if value is not None:
            key, read = _set_by(key, value), _from_text if isinstance(value, str) else checked
            values[key] = read(key, value)
    return values


def with_values(config, values):
    """A copy of `config` with `values`, a dict from key to value, checked as those of a file."""
    flat = to_flat(config)
    flat.update({key: checked(key, value, "with_values") for key, value in values.items()})
    return _build(Config, flat)


def save_config(config, path):
    """Write all settings to `path` as YAML, whole or not at all; `load_config(path)` gives an equal Config."""
    nested = {}
    for key, value in to_flat(config).items():
        *sections, name = key.split(".")
        level = nested
        for section in sections:
            level = level.setdefault(section, {})
        level[name] = _plain(value)
    write_atomic(path, "# All settings of one run, defaults included.\n" + dump_yaml(nested))


def _plain(value):
    """A value in the types that YAML has."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def with_absolute_paths(config):
    """A copy of `config` whose files and folders are found from any folder; output_dir stays as it was given."""
    flat = to_flat(config)
    paths = {
        key: os.path.abspath(flat[key])
        for key in flat
        if names_a_path(key, flat[key]) and key != "output_dir"
    }
    return with_values(config, paths)


def names_a_path(key, value):
    """True where the value of `key` is the path of a file or folder, neither empty nor a stage's name."""
    return TRAITS[key].path and value not in ("", *STAGE_NAMES)


def to_flat(config, prefix=""):
    """A dict from full key to value, in order of declaration."""
    flat = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            flat.update(to_flat(value, f"{prefix}{field.name}."))
        else:
            flat[prefix + field.name] = value
    return flat


def _build(cls, values, prefix=""):
    """The dataclass `cls` from the checked values of all keys."""
    arguments = {}
    for name, kind in typing.get_type_hints(cls).items():
        key = prefix + name
        arguments[name] = _build(kind, values, key + ".") if key in SECTIONS else values[key]
    return cls(**arguments)


def _set_by(key, value):
    """The key that `value`, given to `key`, sets: a section given as one text sets its `path`."""
    path = f"{key}.path"
    return path if key in SECTIONS and isinstance(value, str) and path in TYPES else key


def _require_all(keys, path, hint=""):
    missing = [key for key in TYPES if key not in keys]
    if missing:
        raise InputError(f"{path}: missing key {some(missing)}{hint}")


# --- files ---


def _read_values(path, saved=False):
    """The checked values of a YAML file, from full key to value; a file or section without keys gives none.

    saved: a run has written it; names that settings had then are read as those of today, and one line on stderr says so.
    """
    tree = read_yaml(path)
    values, renamed = {}, [] if saved else None
    _collect({} if tree is None else tree, "", path, values, renamed)
    if renamed:
        warn(f"{path}: {', '.join(renamed)}")
    return values


def _collect(tree, section, path, values, renamed=None):
    """Put the leaves of a YAML mapping into `values`, under their full keys; what was read under a new name into the list
    `renamed`, in words; None: nothing is."""
    if not isinstance(tree, dict):
        thing = f"section {section}: " if section else ""
        raise InputError(f"{path}: {thing}expected a mapping (key: value), got {show(tree)}")
    for name, value in tree.items():
        key = _set_by(f"{section}.{name}" if section else str(name), value)
        if key in SECTIONS:
            _collect({} if value is None else value, key, path, values, renamed)
            continue
        new = RENAMED.get(key) or RENAMED.get(f"{key}={value}") if renamed is not None else None
        if new is not None:
            renamed.append(f"{key if '=' not in new else f'{key}={value}'} is {new} now")
            key, equals, text = new.partition("=")
            value = text if equals else value
        values[key] = checked(key, value, path)


# --- checks ---


def checked(key, value, source=COMMAND_LINE):
    """`value` in the type of `key`, "~" in a path as the home folder; or InputError naming `source`, key, what is allowed
    and what came."""
    if key not in TYPES:
        raise InputError(f"{source}: {_unknown(key)}")
    kind, read = TYPES[key], TRAITS[key].read
    if typing.get_origin(kind) is tuple:
        element = typing.get_args(kind)[0]
        items = [_as(element, item) for item in value] if isinstance(value, (list, tuple)) else [None]
        result = None if None in items else tuple(items)
    elif kind is FrozenDict:
        result = FrozenDict(value) if isinstance(value, dict) else None
    else:
        result = _as(kind, read(value) if read else value)
    if result is None:
        raise InputError(f"{source}: {key}: expected {type_name(key)}, got {show(value)}{_hint(kind, value)}")
    rule = rule_of(key)
    allowed = rule.allowed if rule and not rule.holds(result) else _beyond(result)
    if allowed:
        raise InputError(f"{source}: {key}: expected {allowed}, got {show(value)}{_new_name(key, value)}")
    return os.path.expanduser(result) if names_a_path(key, result) else result


def _hint(kind, value):
    """On numbers that are not decimal (010, 0x10, 1:30, 1_000), which some readers take in another base; else ""."""
    items = value if isinstance(value, (list, tuple)) else (value,)
    odd = any(isinstance(item, str) and re.match(r"[-+]?[0-9]", item) for item in items)
    numbers = kind in (int, float) or bool({int, float} & set(typing.get_args(kind)))
    return "; write it as a plain decimal number" if odd and numbers else ""


def _new_name(key, value):
    """A remark on a value that has another name now; else ""."""
    new = RENAMED.get(f"{key}={value}")
    return f"; {value} is called {new.partition('=')[2]} now" if new else ""


def _beyond(value):
    """Limit that a value breaks and that holds for all keys, in words, or None."""
    if isinstance(value, dict):
        return next(filter(None, map(_beyond, value.values())), None)
    for item in value if isinstance(value, tuple) else (value,):
        if type(item) is int and abs(item) > MAX_INT:
            return f"at most {MAX_INT}"
        if type(item) is str and "\0" in item:  # no path has it, and no folder's name
            return "text without NUL characters"
    return None


def _as(kind, value):
    """`value` as bool, int, float or str, or None where it is not one.

    An int does for a float. So does the text of a number: YAML 1.1 reads 5e-4, without a point, as text.
    A bool is not a number here, and neither are NaN and the infinities.
    """
    if kind is float and type(value) is str and not DECIMAL.fullmatch(value):
        return None
    if kind is float and type(value) in (int, str):
        try:
            value = float(value)
        except (ValueError, OverflowError):
            return None
    fits = type(value) is kind and (kind is not float or math.isfinite(value))
    return value if fits else None


def _from_text(key, text):
    """The value of `key` from the text after "=" on a command line.

    The text of a str is taken as it stands (so name=1 and path=no are texts), without quotes around it;
    any other is YAML.
    """
    if TYPES.get(key) is str:
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        return checked(key, text[1:-1] if quoted else text)
    if key not in TYPES:
        raise InputError(f"{COMMAND_LINE}: {_unknown(key)}")
    try:
        value = parse_yaml(text, COMMAND_LINE)
    except InputError:  # taken as text, and refused as such where the type is another
        value = text
    return checked(key, value)


WORDS = {
    bool: "true or false",
    int: "int",
    float: "float",
    str: "text",
    dict: "mapping",
    FrozenDict: "mapping",
}


def type_name(key):
    """The type of a key in words, as "int" or "list of float"."""
    kind = TYPES[key]
    if typing.get_origin(kind) is tuple:
        return f"list of {WORDS[typing.get_args(kind)[0]]}"
    return WORDS[kind]


def show(value):
    """A value with its type, short enough for one line of a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(list(value) if isinstance(value, tuple) else value)
    kind = WORDS.get(type(value), type(value).__name__)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({kind})"


def some(names, limit=8):
    """Names as one text, "a, b, c and 12 more"."""
    names = list(names)
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def nearest_keys(key):
    """The known keys that someone who wrote `key` may have meant, best first; an empty list for none."""
    if len(key) > 100:
        return []
    ending = key.rpartition(".")[2]
    renamed = [new for old, new in RENAMED.items() if ending == old.rpartition(".")[2]]
    if renamed:
        return renamed
    same_ending = [known for known in TYPES if known.rpartition(".")[2] == ending]
    if same_ending:
        return difflib.get_close_matches(key, same_ending, n=3, cutoff=0.0)
    close = difflib.get_close_matches(key, [*TYPES, *SECTIONS], n=1)
    endings = {known.rpartition(".")[2]: known for known in reversed(TYPES)}
    return close or [endings[name] for name in difflib.get_close_matches(ending, endings, n=1)]


def _unknown(key):
    if key in SECTIONS:
        inside = some([known for known in TYPES if known.startswith(key + ".")], 3)
        return f"{key} is a section: expected one of its keys ({inside})"
    near = nearest_keys(key)
    return f"unknown key {cut(key, 100)}" + (f"; did you mean {' or '.join(near)}?" if near else "")
