"""Settings of a network of two small blocks, for tests that train one: it is compiled in seconds."""

SMALL = ("model.branches=[0,1,0,1]", "model.options={widths: [8, 16], depths: [1, 1]}")
