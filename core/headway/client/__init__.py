"""The operator API's client: commands and reads over a daemon's Unix socket, or over a URL.

::

    from headway.client import OperatorClient

    async with OperatorClient(home) as daemon:
        job = await daemon.submit(proposal)
        async for batch in daemon.follow(job_id=job.job_id):
            ...
"""

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.client.operator import OperatorClient
    from headway.client.wire import DaemonStatus, JobAnswer, ToolInfo

_HOME = {
    "DaemonStatus": "wire",
    "JobAnswer": "wire",
    "OperatorClient": "operator",
    "ToolInfo": "wire",
}

__all__ = ["DaemonStatus", "JobAnswer", "OperatorClient", "ToolInfo"]

__getattr__, __dir__ = attach(__name__, _HOME)
