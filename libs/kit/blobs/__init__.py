"""Blobs: bytes under a key. S3 and compatibles, or a directory; one contract suite holds both.

Keys are `/`-separated, at most 1,000 bytes, of `[A-Za-z0-9._=-]` segments of at most 200; none is `.` or `..`.
"""

from libs.kit.blobs.base import Blobs, BlobStat

__all__ = ["BlobStat", "Blobs"]
