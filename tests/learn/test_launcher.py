"""The place in a job, from a launcher's variables."""

import pytest

from src.common.errors import InputError
from src.learn.launcher import place_in_job

MSRUN = {"MS_WORKER_NUM": "2", "MS_ROLE": "MS_WORKER", "MS_SCHED_HOST": "10.0.0.1", "MS_SCHED_PORT": "8118"}


@pytest.mark.parametrize(
    "environment, place",
    [
        ({}, (1, "")),
        ({"MS_WORKER_NUM": "1"}, (1, "")),
        ({"MS_ROLE": "", "MS_SCHED_HOST": "10.0.0.1", "RANK_ID": "3"}, (1, "")),
        (MSRUN, (2, "MS_WORKER")),
        ({**MSRUN, "MS_WORKER_NUM": "1", "MS_ROLE": "MS_SCHED"}, (1, "MS_SCHED")),
        ({**MSRUN, "OMPI_COMM_WORLD_SIZE": "7"}, (2, "MS_WORKER")),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, (1, "")),
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"}, (4, "")),
    ],
)
def test_a_process_knows_its_place(environment, place):
    assert place_in_job(environment) == place


@pytest.mark.parametrize("name", ["MS_WORKER_NUM", "OMPI_COMM_WORLD_SIZE"])
@pytest.mark.parametrize("text", ["", "abc", "0", "-1", "2.0", " 2", "٢", "9" * 10])
def test_a_number_of_workers_that_is_none_is_refused(name, text):
    with pytest.raises(
        InputError, match=f"^{name}: expected a whole number from 1 on, as .*run sets it, got '"
    ):
        place_in_job({name: text})


@pytest.mark.parametrize(
    "environment, message",
    [
        ({"MS_WORKER_NUM": "2"}, "^MS_WORKER_NUM=2: expected MS_ROLE and MS_SCHED_HOST and MS_SCHED_PORT beside"),
        ({"MS_ROLE": "MS_SCHED"}, "^MS_ROLE=MS_SCHED: expected MS_WORKER_NUM and .*; unset MS_ROLE to run alone"),
        ({**MSRUN, "MS_SCHED_HOST": ""}, "^MS_WORKER_NUM=2: expected MS_SCHED_HOST beside it"),
        ({**MSRUN, "MS_SCHED_PORT": "abc"}, "^MS_SCHED_PORT: expected a whole number from 1 on, .*got 'abc'"),
        ({**MSRUN, "MS_ROLE": "worker"}, "^MS_ROLE: expected MS_SCHED or MS_WORKER, got 'worker'$"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "^OMPI_COMM_WORLD_SIZE=2: expected OMPI_COMM_WORLD_RANK beside it"),
    ],
)  # fmt: skip
def test_variables_without_their_company_are_refused(environment, message):
    with pytest.raises(InputError, match=message):
        place_in_job(environment)
