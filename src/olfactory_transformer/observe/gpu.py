"""How busy the GPU is, by NVIDIA's own library."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


def gpu_utilization(index: int = 0) -> Callable[[], float] | None:
    """Return a callable for `Metrics.watch_gpu`, or None where nothing can be told.

    Parameters
    ----------
    index : int
        Which of the GPUs that NVML sees; in a container these are the ones that it was given.

    Returns
    -------
    callable or None
        Percent of the last sampling period (up to a second) in which the GPU ran something; None without
        `nvidia-ml-py`, a driver, or that GPU.

    Examples
    --------
    >>> ask = gpu_utilization(index=10_000)
    >>> ask is None
    True
    """
    try:
        import pynvml
    except ImportError:
        logger.info("no GPU utilization: nvidia-ml-py is not installed")
        return None
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError as error:
        logger.info("no GPU utilization: %s", error)
        return None
    return lambda: float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
