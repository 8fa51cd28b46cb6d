"""Where do the runs of a sweep happen: in processes of this machine, or on a cluster?"""

from contextlib import nullcontext

from tinygrad_edu.lab.cluster import DaskWorkers
from tinygrad_edu.lab.processes import JoblibWorkers

Workers = JoblibWorkers | DaskWorkers


def workers_for(jobs: int, backend: str | None) -> Workers:
    """The workers that joblib would use; a Dask cluster is used without joblib.

    jobs     the number of processes; -1: one for each core
    backend  joblib's name for what starts them; None: the choice of `joblib.parallel_config`,
             "loky" by default
    """
    try:
        import joblib
    except ImportError as error:
        raise ImportError(f"jobs={jobs} needs joblib: pip install joblib, or use jobs=1") from error
    with joblib.parallel_config(backend=backend) if backend else nullcontext():
        active, _ = joblib.parallel.get_active_backend()
    if type(active) is joblib.parallel.BACKENDS.get("dask"):
        return DaskWorkers(active.client, jobs, active.wait_for_workers_timeout)
    return JoblibWorkers(joblib, jobs, backend)
