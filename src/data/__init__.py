"""Data: images in, batches out. One entry for every source and both splits."""

from src.data.dataset import Dataset, create_dataset
from src.data.images import load_rgb, preprocess

__all__ = ["Dataset", "create_dataset", "load_rgb", "preprocess"]
