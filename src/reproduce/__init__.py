"""The paper's tables run again: their costs, their rows trained on another data set, the argument of section 3.1."""
