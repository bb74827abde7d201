"""Every Prometheus metric we export, in one file. Label sets are bounded: never a distinct_id, URL or event name.

docs/metrics.md lists them too; a test fails when it does not.
"""

from bisect import bisect_right
from collections.abc import Collection

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class BulkHistogram(Histogram):
    """A histogram that takes many observations at once: a hot path pays for the locks once for all of them."""

    def observe_all(self, amounts: Collection[float]) -> None:
        """The same as `observe` of each."""
        if not amounts:
            return
        self._sum.inc(sum(amounts))
        ordered, counted = sorted(amounts), 0
        for bucket, bound in zip(self._buckets, self._upper_bounds, strict=True):
            below = bisect_right(ordered, bound, counted)
            if below > counted:
                bucket.inc(below - counted)
                counted = below
            if counted == len(ordered):
                return


# --- any HTTP service
HTTP_REQUESTS = Counter("http_requests_total", "Requests answered.", ["service", "method", "route", "status"])
HTTP_SECONDS = BulkHistogram(
    "http_requests_duration_seconds", "Time to answer a request.", ["service", "route"], buckets=SECONDS
)

# --- any process
LOG_LINES_LEFT_OUT = Counter(
    "log_lines_left_out_total", "Lines that a library said again and again, and that were not written.", ["library"]
)

# --- capture
CAPTURE_EVENTS = Counter(
    "capture_events_total",
    "Events by what became of them: accepted, overflowed, dlq, dropped or refused, and why.",
    ["result", "reason"],
)
CAPTURE_DRY_RUN = Counter(
    "hedgerow_capture_dry_run_events_total", "Events that a limit in dry-run mode would have met.", ["limit"]
)
CAPTURE_POLICY_FAILURES = Counter(
    "hedgerow_capture_policy_failures_total",
    "Policies not refreshed (unavailable), and rules not understood (bad_rule).",
    ["kind"],
)
CAPTURE_BODY_BYTES = BulkHistogram(
    "capture_full_payload_size", "Request bodies as received, bytes.", buckets=(256, 1024, 8192, 65536, 524288, 4194304)
)
CAPTURE_BLOBS = Counter(
    "hedgerow_capture_ai_blobs_total", "Parts of large AI events put into the blob store: kept or failed.", ["result"]
)
CAPTURE_BLOB_BYTES = Counter("hedgerow_capture_ai_blob_bytes_total", "Their bytes, of those that were kept.")
CAPTURE_PRODUCE_SECONDS = Histogram(
    "capture_produce_ack_duration_seconds", "Time until the event log had a request's events.", buckets=SECONDS
)

# --- ingestion and writer
CONSUMER_EVENTS = Counter(
    "hedgerow_consumer_events_total",
    "Records by outcome: ok, dropped, dlq, duplicate, replayed.",
    ["worker", "result", "reason"],
)
CONSUMER_BATCH_SIZE = Histogram(
    "hedgerow_consumer_batch_size", "Records in a batch.", ["worker"], buckets=(1, 10, 50, 100, 500, 1000, 5000, 20000)
)
CONSUMER_STEP_SECONDS = Histogram(
    "hedgerow_consumer_batch_duration_seconds", "Time of one step of a batch.", ["worker", "step"], buckets=SECONDS
)
CONSUMER_LAG = Gauge("hedgerow_consumer_lag_records", "Records not yet processed.", ["worker", "topic", "partition"])
CONSUMER_RETRIES = Counter(
    "hedgerow_consumer_retries_total", "Batches tried again because something was down.", ["worker", "code"]
)
INGESTION_WARNINGS = Counter(
    "hedgerow_ingestion_warnings_total", "Events stored or dropped with a warning, by PostHog's type.", ["type"]
)
SEEN_KEYS = Gauge("hedgerow_writer_seen_keys", "Keys in the writer's filter, by generation.", ["generation"])
SEEN_LOOKUPS = Counter(
    "hedgerow_writer_seen_total", "Events by the filter's answer: new, or maybe (looked up in ClickHouse).", ["answer"]
)

# --- stores
STORE_SECONDS = Histogram(
    "hedgerow_store_duration_seconds", "Time of one call to an engine.", ["store", "operation"], buckets=SECONDS
)
STORE_ERRORS = Counter("hedgerow_store_errors_total", "Failed calls to an engine.", ["store", "operation", "code"])

# --- query
QUERY_SECONDS = Histogram("hedgerow_query_duration_seconds", "Time of a query.", ["kind", "cached"], buckets=SECONDS)
QUERY_ERRORS = Counter("hedgerow_query_errors_total", "Refused or failed queries.", ["code"])

# --- web
LIVE_STREAMS = Gauge("hedgerow_live_streams", "Live event streams open in this process.")

# --- jobs
JOB_RUNS = Counter(
    "hedgerow_job_runs_total", "Background jobs run, by how they ended: ok or failed.", ["job", "result"]
)
JOB_SECONDS = Histogram("hedgerow_job_duration_seconds", "Time of one run of a job.", ["job"], buckets=SECONDS)

# --- supervisor
PART_RESTARTS = Counter("hedgerow_part_restarts_total", "Parts the supervisor started again.", ["part"])

# --- capture's write-ahead log
WAL_BEHIND = Gauge("hedgerow_wal_behind", "1 while new events go through the write-ahead log, 0 while past it.")
WAL_BYTES = Gauge("hedgerow_wal_size_bytes", "Bytes the write-ahead log's segments take on disk.")
WAL_RECORDS = Gauge("hedgerow_wal_records", "Records in the write-ahead log that the event log does not have yet.")
WAL_OLDEST_SECONDS = Gauge("hedgerow_wal_oldest_age_seconds", "How long the oldest of these has waited.")
WAL_APPENDED = Counter("hedgerow_wal_appended_records_total", "Records acknowledged from the write-ahead log.")
WAL_DRAINED = Counter("hedgerow_wal_drained_records_total", "Records the event log has taken from it.")
WAL_REFUSED = Counter(
    "hedgerow_wal_refused_records_total", "Records it did not take: full, busy or a failing disk.", ["reason"]
)
WAL_LOST = Counter(
    "hedgerow_wal_lost_records_total",
    "Records that were acknowledged and never reach the event log: too_large for its topic, or damaged on disk.",
    ["reason"],
)
WAL_CUT_BYTES = Counter("hedgerow_wal_cut_bytes_total", "Bytes behind the last whole record of a segment, cut off.")
WAL_SYNC_SECONDS = Histogram(
    "hedgerow_wal_sync_seconds", "Time to write and sync one group of requests.", buckets=SECONDS
)
