"""Rows and tables of the paper as data: what a row is, how it is built here, and what the paper prints."""

import dataclasses

UNITS = {"flops": 1e8, "bops": 1e9, "ops": 1e8}  # of the printed costs


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    name: as the paper has it; network: its name here, as bimlp_s; precision: fp32 or binary; settings: what differs from
    the network's defaults, as section.key -> value; printed: the paper's figures by column; notes: by column, why ours
    cannot be the printed one.
    """

    name: str
    network: str
    precision: str = "binary"
    settings: dict = dataclasses.field(default_factory=dict)
    printed: dict = dataclasses.field(default_factory=dict)
    notes: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: title, rows, what is to be said about it.

    compares: whether its rows are variants to be trained. macs_alone: whether costs are multiply-accumulates alone, without
    the biases that this paper counts in its own networks. against_ops: whether its results are drawn over the rows' OPs.
    """

    title: str
    rows: tuple
    note: str = ""
    compares: bool = True
    macs_alone: bool = False
    against_ops: bool = False


def model_settings(**settings):
    """Settings of the section model, as section.key -> value."""
    return {f"model.{key}": value for key, value in settings.items()}
