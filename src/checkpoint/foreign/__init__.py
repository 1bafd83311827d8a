"""Checkpoints of other programs: PyTorch, NumPy, safetensors and Keras files, read as arrays by name."""
