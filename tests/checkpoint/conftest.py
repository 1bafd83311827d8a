"""Fixtures of the tests of checkpoints."""

import pytest

from src.checkpoint.file import save_checkpoint
from tests.checkpoint.small import Net


@pytest.fixture
def saved(tmp_path):
    """(network, path of its checkpoint)."""
    network = Net()
    save_checkpoint(tmp_path / "net.ckpt", network)
    return network, tmp_path / "net.ckpt"
