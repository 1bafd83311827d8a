"""The place of this process in a job, as a launcher (msrun, mpirun) tells it in the environment."""

from typing import NamedTuple

from src.common.errors import InputError

WORKERS, ROLE, HOST, PORT = "MS_WORKER_NUM", "MS_ROLE", "MS_SCHED_HOST", "MS_SCHED_PORT"  # msrun's
MPI_WORKERS, MPI_RANK = "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"  # mpirun's
SCHEDULER, WORKER = "MS_SCHED", "MS_WORKER"


class Place(NamedTuple):
    """workers: how many the job has, 1 without a launcher. role: SCHEDULER or WORKER by msrun, "" otherwise."""

    workers: int
    role: str


def place_in_job(environment):
    """The Place that the environment (a mapping from name to text) tells of.

    Raises InputError for numbers that are none, and for variables without those that a launcher sets beside them: left
    over in a shell, they would let this process wait for workers that nobody started.
    """
    role = environment.get(ROLE, "")
    if role or WORKERS in environment:
        workers = _count(environment, WORKERS, "msrun") if WORKERS in environment else None
        if workers == 1 and not role:
            return Place(1, "")
        _require_together(environment, (WORKERS, ROLE, HOST, PORT), "msrun")
        _count(environment, PORT, "msrun")
        if role not in (SCHEDULER, WORKER):
            raise InputError(f"{ROLE}: expected {SCHEDULER} or {WORKER}, got {role!r}")
        return Place(workers, role)
    if MPI_WORKERS not in environment:
        return Place(1, "")
    workers = _count(environment, MPI_WORKERS, "mpirun")
    if workers > 1:
        _require_together(environment, (MPI_WORKERS, MPI_RANK), "mpirun")
    return Place(workers, "")


def _count(environment, name, launcher):
    text = environment[name]
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise InputError(
            f"{name}: expected a whole number from 1 on, as {launcher} sets it, got {text!r}; unset it to run alone"
        )
    return int(text)


def _require_together(environment, names, launcher):
    missing = [name for name in names if not environment.get(name)]
    if missing:
        there = next(name for name in names if name not in missing)
        raise InputError(
            f"{there}={environment[there]}: expected {' and '.join(missing)} beside it, as {launcher} sets them, got "
            f"none; unset {there} to run alone, or start a job by scripts/run_distribute_train.sh"
        )
