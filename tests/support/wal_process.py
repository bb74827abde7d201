"""A process that produces through a write-ahead log, for tests that kill it.

    python -m tests.support.wal_process TOPIC DIRECTORY

It imports everything once and forks a child for each line of its input, a number N: the child sends N, N + 1... under
one key, each once the one before is acknowledged, and prints each number that was. On SIGTERM it stops sending, waits
until the event log has everything, and ends. A child's first line is `pid PID`; after its last comes `ended CODE`.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from libs.kit.clock import SystemClock
from libs.kit.errors import Unavailable
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.open import open_eventlog
from libs.kit.eventlog.wal import WalOptions, write_ahead
from libs.kit.logging import configure_logging
from libs.kit.settings import KitSettings

KEY = b"one"


async def main(topic: str, directory: Path, number: int) -> None:
    """One child, until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    print("pid", os.getpid(), flush=True)
    log = await open_eventlog(KitSettings(), SystemClock())
    options = WalOptions(directory, max_bytes=10**8, segment_bytes=1_000, after_seconds=2.0)
    async with write_ahead(log, options, SystemClock()) as wal:
        while not stopping.is_set():
            try:
                await wal.produce(topic, [NewRecord(KEY, b"%d" % number)])
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            print(number, flush=True)
            number += 1
            await asyncio.sleep(0.005)
        while wal.state().behind:
            await asyncio.sleep(0.01)
    await log.close()


if __name__ == "__main__":
    configure_logging("info", service="wal", version="test")
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(line)))
            os._exit(0)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
