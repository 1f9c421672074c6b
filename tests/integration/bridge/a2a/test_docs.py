"""The requests in ``docs/a2a.md`` do what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.integration.bridge.a2a.served import Served

PAGE = Path(__file__).parents[4] / "docs" / "a2a.md"


async def test_every_request_on_the_page_works(served: Served) -> None:
    requests = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    assert [request["id"] for request in requests] == [1, 2, 3, 4]
    for request in requests:
        answer = (await served.http.post("/", json=request)).json()
        task = answer["result"].get("task", answer["result"])
        assert task["status"]["state"] in ("TASK_STATE_COMPLETED", "completed")
        assert len(task["artifacts"]) == (2 if request["id"] < 3 else 1)
    assert task["id"] == "my-task"
    assert task["artifacts"][0]["parts"][0]["data"]["result"]["result"] == 42
