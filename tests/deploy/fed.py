"""Feeding of exported files, for the tests of the deploy room."""

from src.deploy import Feeding


def feeding(size, classes=10, class_names=()):
    """A Feeding with three different means and stds."""
    return Feeding(
        "bimlp_t", "binary", size, size + 4, (0.1, 0.25, 0.3), (0.4, 0.5, 0.6), classes, class_names
    )
