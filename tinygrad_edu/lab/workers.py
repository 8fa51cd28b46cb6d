"""Where are the runs of a sweep made: in processes of this machine, or on a cluster?"""

from contextlib import nullcontext

from tinygrad_edu.lab.cluster import DaskWorkers
from tinygrad_edu.lab.processes import JoblibWorkers

Workers = JoblibWorkers | DaskWorkers


def workers_for(jobs: int, backend: str | None) -> Workers:
    """The workers that joblib would take; a Dask cluster is used without joblib.

    jobs     how many, -1 for one on each core
    backend  joblib's name of what starts them; None for what `joblib.parallel_config` says, or else
             "loky"
    """
    try:
        import joblib
    except ImportError as error:
        raise ImportError(
            f"jobs={jobs} needs joblib: pip install joblib, or take jobs=1"
        ) from error
    with joblib.parallel_config(backend=backend) if backend else nullcontext():
        active, _ = joblib.parallel.get_active_backend()
    if type(active) is joblib.parallel.BACKENDS.get("dask"):
        return DaskWorkers(active.client, jobs, active.wait_for_workers_timeout)
    return JoblibWorkers(joblib, jobs, backend)
