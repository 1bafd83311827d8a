"""A graph in words: a row per layer, equal blocks folded."""

from src.graph.describe import Row, block_of, folded


def test_blocks_that_follow_their_equal_are_folded():
    def block(name, shape):
        return [Row(f"{name}.fc", ("conv2d",), shape, 9), Row(name, ("add",), shape, 0)]

    rows = [Row("stem.conv", ("conv2d",), (4, 8, 8), 1)]
    for name, shape in (("stages.0.0", (4, 8, 8)), ("stages.0.1", (4, 8, 8)), ("stages.1.0", (8, 4, 4))):
        rows += block(name, shape)
    found = [(names, [row.layer for row in inside]) for names, inside in folded(rows)]
    assert found == [
        (["stem"], ["conv"]),
        (["stages.0.0", "stages.0.1"], ["fc", ""]),
        (["stages.1.0"], ["fc", ""]),
    ]


def test_names_are_split_behind_the_last_number_of_a_stage():
    assert block_of("stages.0.1.block1.height.0.fc") == ("stages.0.1", "block1.height.0.fc")
    assert block_of("downsamples.2.fc") == ("downsamples.2", "fc")
    assert block_of("head") == ("head", "")


def test_blocks_that_read_otherwise_are_not_folded():
    def rows(reads):
        return [Row(f"stages.{i}.add", ("add",), (4, 8, 8), 0, ((i, each),)) for i, each in enumerate(reads)]

    assert [names for names, _ in folded(rows([0, 1]))] == [["stages.0", "stages.1"]]  # its input twice
    assert [names for names, _ in folded(rows([0, 0]))] == [
        ["stages.0"],
        ["stages.1"],
    ]  # the first one's input
