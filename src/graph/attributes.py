"""Attributes of operations: their kinds, limits, and 32-bit words in a packed file."""

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Integers:
    """An integer from `low` to `high`, or a tuple of `count` of them."""

    low: int
    high: int
    count: int = 1

    @property
    def expected(self):
        """Values that fit, in words."""
        numbers = "an integer" if self.count == 1 else f"{self.count} integers"
        return f"{numbers} from {self.low} to {self.high}"

    def fits(self, value):
        """True where a value is one of this kind."""
        values = (value,) if self.count == 1 else value
        return (
            isinstance(values, tuple)
            and len(values) == self.count
            and all(type(v) is int and self.low <= v <= self.high for v in values)
        )

    def to_words(self, value):
        """Words of a value."""
        return [value] if self.count == 1 else list(value)

    def from_words(self, words):
        """Value of the words."""
        return words[0] if self.count == 1 else tuple(words)


@dataclass(frozen=True)
class Choice:
    """One of some values; its word is the value's place among them."""

    values: tuple
    count = 1

    @property
    def expected(self):
        """Values that fit, in words."""
        return f"one of {', '.join(map(str, self.values))}"

    def fits(self, value):
        """True where a value is one of these."""
        return value in self.values

    def to_words(self, value):
        """Words of a value."""
        return [self.values.index(value)]

    def from_words(self, words):
        """Value of the words. Raises ValueError for a place beyond the last."""
        if words[0] >= len(self.values):
            raise ValueError(f"expected 0 to {len(self.values) - 1}, got {words[0]}")
        return self.values[words[0]]


@dataclass(frozen=True)
class Real:
    """A number from `low` to `high`; its word is the 32-bit float."""

    low: float
    high: float
    count = 1

    @property
    def expected(self):
        """Values that fit, in words."""
        return f"a number from {self.low} to {self.high}"

    def fits(self, value):
        """True where a value is one of these, the limits rounded to 32 bits; NaN is none."""
        return isinstance(value, int | float) and _rounded(self.low) <= value <= _rounded(self.high)

    def to_words(self, value):
        """Words of a value."""
        return list(struct.unpack("<I", struct.pack("<f", value)))

    def from_words(self, words):
        """Value of the words."""
        return struct.unpack("<f", struct.pack("<I", words[0]))[0]


def _rounded(value):
    """The nearest 32-bit float."""
    return struct.unpack("<f", struct.pack("<f", value))[0]
