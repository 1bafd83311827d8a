"""metrics.jsonl: one record per epoch, whatever a process that was killed or a full disk left."""

import resource

import pytest

from src.common.errors import InputError
from src.learn.records import read_records, write_record

RECORD = {"train_loss": 2.0, "train_top1": 0.1, "top1": 0.2, "top5": 0.5, "flip_ratio": 0.0}


def record(epoch, **more):
    return {"epoch": epoch, **RECORD, **more}


def write(folder, *texts):
    (folder / "metrics.jsonl").write_text("".join(text + "\n" for text in texts))


def test_records_come_back_and_those_of_later_epochs_give_way(tmp_path):
    assert read_records(tmp_path) == []
    for epoch in (1, 2, 3, 2):
        write_record(tmp_path, record(epoch, top1=epoch / 10))
    assert read_records(tmp_path) == [record(1, top1=0.1), record(2, top1=0.2)]


def test_a_record_that_was_lost_costs_no_other(tmp_path):
    for epoch in (1, 2, 4):
        write_record(tmp_path, record(epoch))
    write_record(tmp_path, record(4, top1=0.5))
    assert read_records(tmp_path) == [record(1), record(2), record(4, top1=0.5)]


def test_figures_that_an_epoch_lacks_are_left_out(tmp_path):
    written = write_record(tmp_path, record(1, train_loss=float("nan"), gradient_norm=float("inf")))
    assert written == read_records(tmp_path)[0]
    assert "train_loss" not in read_records(tmp_path)[0]
    assert {*record(1)} - {*read_records(tmp_path)[0]} == {"train_loss"}


def test_a_full_disk_loses_no_record_while_later_ones_are_dropped(tmp_path):
    for epoch in range(1, 6):
        write_record(tmp_path, record(epoch))
    before, size = resource.getrlimit(resource.RLIMIT_FSIZE), (tmp_path / "metrics.jsonl").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 5, before[1]))
    try:
        with pytest.raises(InputError, match="metrics.jsonl: cannot be written: File too large"):
            write_record(tmp_path, record(5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_records(tmp_path) == [record(epoch) for epoch in range(1, 6)]


@pytest.mark.parametrize(
    "line",
    ["[]", "3", "null", "{}", '{"epoch": 2}', '{"epoch": "2", "top1": 0.1}', '{"epoch": true, "top1": 0.1}',
     '{"epoch": 2, "top1": null}', '{"epoch": 2, "top1": [0.1]}', '{"epoch": 2, "top1": NaN}',
     '{"epoch": 1, "top1": 0.1}', '{"epoch": 2.0, "top1": 0.1}', '{"epoch": 2, "top1": 1e999}'],
)  # fmt: skip
def test_what_is_no_record_is_refused_with_its_line(tmp_path, line):
    write(tmp_path, '{"epoch": 1, "top1": 0.1}', line)
    with pytest.raises(InputError, match=r"metrics.jsonl, line 2: expected the record of an epoch, got ."):
        read_records(tmp_path)
    with pytest.raises(InputError, match="metrics.jsonl, line 2: "):
        write_record(tmp_path, record(3))
