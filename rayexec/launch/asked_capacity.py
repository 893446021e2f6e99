"""Capacity of a cluster, asked by a process of its own: a process stays attached to its first one.

``python -m rayexec.launch.asked_capacity ADDRESS`` prints it as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from rayexec.errors import EngineError

__all__ = ["AskedCapacity"]

PATIENCE_S, WAIT_S = 20.0, 4.0
LIFETIME_S = 15.0
_PROGRAM = """\
import sys
sys.path[:] = filter(None, sys.path)
import runpy
runpy.run_module("rayexec.launch.asked_capacity", run_name="__main__", alter_sys=True)
"""


class AskedCapacity:
    """The capacities of clusters by address.

    One that is older than 15 s is asked for anew, and given until the answer is there: who types
    run config must not wait for it.
    """

    def __init__(self) -> None:
        self._asked: dict[str, tuple[float, asyncio.Task[dict[str, Any]]]] = {}
        self._last: dict[str, dict[str, Any]] = {}

    async def of(self, address: str) -> dict[str, Any]:
        """Return the fields of the Capacity of the cluster at ``address``.

        Raises EngineError if it can't be asked, or gives no answer so soon; a later call may.
        """
        now = time.monotonic()
        if address not in self._asked or now - self._asked[address][0] > LIFETIME_S:
            task = asyncio.create_task(_ask(address))
            # Nobody may come back for its answer.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._asked[address] = now, task
        task = self._asked[address][1]
        if not task.done() and address in self._last:
            return self._last[address]
        try:
            self._last[address] = await asyncio.wait_for(asyncio.shield(task), WAIT_S)
            return self._last[address]
        except EngineError:
            self._last.pop(address, None)
            raise
        except asyncio.TimeoutError:
            raise EngineError(f"{address} has not answered yet.") from None

    async def close(self) -> None:
        """End the questions under way."""
        tasks = [task for _, task in self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(address: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM,
        address,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        document: dict[str, Any] = json.loads(printed.splitlines()[-1])
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        raise EngineError(f"{address} gave no answer within {PATIENCE_S:g} s.") from None
    except (ValueError, IndexError):
        raise EngineError(f"{address} cannot be asked for its capacity.") from None
    if "error" in document:
        raise EngineError(document["error"])
    return document


def main(address: str) -> None:
    """Print the capacity of a cluster, or the reason why there is none."""
    from rayexec.cluster import connect, releasing

    release = releasing()
    try:
        fields = asdict(connect(address))
        near = fields["near"]
        document = {**fields, "near": None if near is None else sorted(near)}
    except EngineError as error:
        document = {"error": str(error)}
    finally:
        release()
    sys.stdout.write(f"{json.dumps(document)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
