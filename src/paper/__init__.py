"""The paper's tables as data, and running them again."""
