"""Puts the parts of large AI events into the blob store."""

from libs.kit import metrics
from libs.kit.blobs import Blobs
from libs.kit.contracts.ai_blobs import BlobDocument
from libs.kit.errors import Unavailable


class AiBlobs:
    """A blob store, with a bound on what waits for it. bucket: its name in references to what is in it."""

    def __init__(self, store: Blobs | None, most_bytes: int, *, bucket: str = "hedgerow"):
        self.bucket = bucket
        self._store = store
        self._most_bytes = most_bytes
        self._waiting_bytes = 0

    async def keep(self, blob: BlobDocument) -> None:
        """Return once it is durable. Raises Unavailable when it is not, or too much waits already.

        What was put here and is then not referred to, for the log did not take the event, stays: to remove it could
        remove what the same event, sent again meanwhile, refers to.
        """
        size = len(blob.body)
        if self._store is None or (self._waiting_bytes and self._waiting_bytes + size > self._most_bytes):
            raise Unavailable("There is no room for the parts of an AI event.")
        self._waiting_bytes += size
        try:
            await self._store.put(blob.key, blob.body)
        except BaseException:
            metrics.CAPTURE_BLOBS.labels("failed").inc()
            raise
        finally:
            self._waiting_bytes -= size
        metrics.CAPTURE_BLOBS.labels("kept").inc()
        metrics.CAPTURE_BLOB_BYTES.inc(size)
