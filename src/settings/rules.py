"""Rules that values of settings keep besides their types, with the words for them."""

import math
import typing
from collections.abc import Callable


class Rule(typing.NamedTuple):
    """A value is allowed where `holds(value)`; `allowed` says so in words."""

    allowed: str
    holds: Callable


def one_of(*names):
    return Rule("one of " + ", ".join(names), lambda value: value in names)


def at_least(low):
    return Rule(f"{low} or more", lambda value: value >= low)


def loss_scale_text(value):
    """A loss scale as text: off, also as YAML 1.1 reads it without quotes (false); a number in its shortest form; else as
    it came."""
    if value is False or value == "false":
        return "off"
    if type(value) not in (int, float, str):
        return value
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return value
    is_int = math.isfinite(number) and number.is_integer() and abs(number) < 1e15
    return str(int(number)) if is_int else str(number)


def is_loss_scale(text):
    if text in ("off", "dynamic"):
        return True
    try:
        return 1e-30 <= float(text) <= 1e30  # float32 holds the number and its inverse
    except ValueError:
        return False


def is_flat_mapping(value):
    """True for a dict of identifiers to finite numbers, texts, or tuples of these."""
    items = [item for each in value.values() for item in (each if isinstance(each, tuple) else (each,))]
    return all(isinstance(key, str) and key.isidentifier() for key in value) and all(
        isinstance(item, (bool, int, str)) or (isinstance(item, float) and math.isfinite(item))
        for item in items
    )


def is_rising(values):
    """True where each number is more than the one before."""
    return all(a < b for a, b in zip(values, values[1:]))


POSITIVE = Rule("more than 0", lambda value: value > 0)
SHARE = Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)
BELOW_ONE = Rule("a number from 0 to below 1", lambda value: 0 <= value < 1)
NOT_EMPTY = Rule("a text that is not empty", lambda value: value != "")
