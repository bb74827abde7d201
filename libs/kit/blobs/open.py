"""Chooses the blob store that settings ask for."""

from libs.kit.blobs.base import Blobs
from libs.kit.blobs.directory import DirectoryBlobs
from libs.kit.settings import KitSettings


def open_blobs(settings: KitSettings) -> Blobs:
    """A store that connects when first used. Raises ValueError when a setting it needs is missing."""
    if settings.blobs == "s3":
        from libs.kit.blobs.s3 import S3Blobs  # boto3 is a sixth of a process's start: only where it is used

        return S3Blobs(settings)
    if settings.blobs_directory is None:
        raise ValueError("HEDGEROW_BLOBS_DIRECTORY must name a directory when HEDGEROW_BLOBS is `directory`.")
    return DirectoryBlobs(settings.blobs_directory, settings.blobs_timeout_seconds)
