"""Fixtures of the ground floor's tests."""

import resource

import pytest

from src.checkpoint.file import save_checkpoint
from tests.ground.small import Net


@pytest.fixture
def full_disk():
    """Any write beyond the first 10,000 bytes of a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def saved(tmp_path):
    """(network, path of its checkpoint)."""
    network = Net()
    save_checkpoint(tmp_path / "net.ckpt", network)
    return network, tmp_path / "net.ckpt"
