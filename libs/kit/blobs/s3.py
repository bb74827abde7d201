"""Blobs in an S3 bucket, or anything that speaks its protocol, through boto3 in a few threads."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, ParamSpec, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from libs.kit.blobs.base import BlobStat, checked, checked_range
from libs.kit.blobs.threads import Threads
from libs.kit.errors import HedgerowError, InvalidRequest, NotFound, Unavailable
from libs.kit.settings import KitSettings

P = ParamSpec("P")
T = TypeVar("T")

_WORKERS = 8
_ATTEMPTS = 3
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_BEYOND_THE_END = "InvalidRange"


class S3Blobs:
    """See libs.kit.blobs.base.Blobs. boto3 tries again by itself, within the timeout of settings."""

    def __init__(self, settings: KitSettings, *, page_size: int = 1000):
        self._page_size = page_size
        self._bucket = settings.s3_bucket
        self._threads = Threads("s3", _WORKERS, settings.blobs_timeout_seconds)
        secret = settings.s3_secret_access_key
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key_id,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=Config(
                connect_timeout=min(5.0, settings.blobs_timeout_seconds),
                read_timeout=settings.blobs_timeout_seconds,
                retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                max_pool_connections=_WORKERS,
                s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
                # newer boto3 adds checksums in trailers that some compatible stores refuse
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    async def put(self, key: str, body: bytes) -> None:
        """Store durably, replacing what is there."""
        await self._run(self._client.put_object, Bucket=self._bucket, Key=checked(key), Body=body)

    async def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The bytes, or a range of them, cut off at the end of the blob. Raises NotFound."""
        checked_range(start, length)
        if length == 0:
            await self._run(self._client.head_object, Bucket=self._bucket, Key=checked(key))
            return b""
        return await self._run(self._get, checked(key), start, length)

    async def stat(self, key: str) -> BlobStat | None:
        """Size and time, or None."""
        try:
            found = await self._run(self._client.head_object, Bucket=self._bucket, Key=checked(key))
        except NotFound:
            return None
        return BlobStat(key, found["ContentLength"], found["LastModified"])

    async def delete(self, key: str) -> None:
        """Remove; nothing happens when it is not there."""
        with contextlib.suppress(NotFound):
            await self._run(self._client.delete_object, Bucket=self._bucket, Key=checked(key))

    async def list(self, prefix: str) -> AsyncIterator[BlobStat]:
        """Blobs whose key starts with `prefix`, in key order; one page in memory."""
        more: dict[str, str] = {}
        while True:
            page = await self._run(
                self._client.list_objects_v2, Bucket=self._bucket, Prefix=prefix, MaxKeys=self._page_size, **more
            )
            for found in page.get("Contents", ()):
                yield BlobStat(found["Key"], found["Size"], found["LastModified"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    async def check(self) -> None:
        """Raise Unavailable unless the bucket answers."""
        try:
            await self._run(self._client.head_bucket, Bucket=self._bucket)
        except NotFound as exc:
            raise Unavailable(f"S3 has no bucket {self._bucket!r}.") from exc

    async def close(self) -> None:
        """Let go of connections and threads."""
        self._threads.close()
        self._client.close()

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._threads.run(call, *args, **kwargs)
        except ClientError as exc:
            raise _translated(exc) from exc
        except BotoCoreError as exc:
            raise Unavailable(f"S3: {type(exc).__name__}") from exc

    def _get(self, key: str, start: int, length: int | None) -> bytes:
        wanted = f"bytes={start}-{'' if length is None else start + length - 1}"
        whole = start == 0 and length is None  # a range of an empty blob is refused
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=key, **({} if whole else {"Range": wanted}))
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") == _BEYOND_THE_END:
                return b""
            raise
        with contextlib.closing(found["Body"]) as body:
            content: bytes = body.read()
            return content


def _translated(exc: ClientError) -> HedgerowError:
    code = str(exc.response.get("Error", {}).get("Code", ""))
    if code in _MISSING:
        return NotFound("No such blob.")
    if code == "EntityTooLarge":
        return InvalidRequest("The blob is too large for the store.")
    # the rest is the store being busy, down, or set up wrongly: no bucket, no permission, a clock that is off
    return Unavailable(f"S3: {code}")
