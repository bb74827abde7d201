"""What projects and the servers themselves write down: logs, heatmaps, queries, and others with rows of their own."""

from types import MappingProxyType

from libs.hogql.schema.fields import ColumnField, Field, JsonField, LazyTable, Table


def plain_table(stored: str, columns: str, sample_column: str = "") -> Table:
    """A table of the columns in `columns`: `name:kind`, `?` for those that may be NULL; json is text that holds it."""
    fields: dict[str, Field] = {}
    for entry in columns.split():
        name, _, kind = entry.partition(":")
        bare = kind.rstrip("?")
        fields[name] = JsonField(name, name, native=False) if bare == "json" else ColumnField(name, bare, bare != kind)
    return Table(
        name=stored,
        team_column="team_id",
        fields=MappingProxyType({**fields, "team_id": ColumnField("team_id", "integer")}),
        star=tuple(fields),
        sample_column=sample_column,
    )


LOG_ENTRIES = plain_table(
    "log_entries",
    "log_source:string log_source_id:string instance_id:string timestamp:datetime message:string level:string",
)


def _entries_of(name: str, source: str) -> LazyTable:
    return LazyTable(
        name=name,
        stored="log_entries",
        fields=LOG_ENTRIES.fields,
        star=LOG_ENTRIES.star,
        keys=(),
        where=f"log_source = '{source}'",
    )


CONSOLE_LOGS = _entries_of("console_logs_log_entries", "session_replay")
BATCH_EXPORT_LOGS = _entries_of("batch_export_log_entries", "batch_export")

LOGS = plain_table(
    "logs",
    "uuid:string trace_id:string span_id:string body:string attributes:json time_bucket:datetime timestamp:datetime "
    "observed_timestamp:datetime severity_text:string severity_number:integer level:string resource_attributes:json "
    "instrumentation_scope:string event_name:string service_name:string",
)

RAW_QUERY_LOG = plain_table(
    "query_log_archive",
    "event_date:date event_time:datetime query_id:string endpoint:string query:string query_start_time:datetime "
    "query_duration_ms:integer hogql_name:string created_by:integer read_rows:integer read_bytes:integer "
    "result_rows:integer result_bytes:integer memory_usage:integer status:string kind:string exception_code:integer "
    "is_personal_api_key_request:boolean cpu_microseconds:integer RealTimeMicroseconds:integer S3ListObjects:integer "
    "S3HeadObject:integer S3GetObjectAttributes:integer S3GetObject:integer ReadBufferFromS3Bytes:integer",
)
QUERY_LOG = LazyTable(
    name="query_log",
    stored="raw_query_log",
    fields=MappingProxyType({name: field for name, field in RAW_QUERY_LOG.fields.items() if name != "kind"}),
    star=tuple(name for name in RAW_QUERY_LOG.star if name != "kind"),
    keys=(),
    where="kind = 'HogQLQuery'",
)

# Copies of a row are the same in all these, and gone only once parts are merged.
RAW_HEATMAPS = plain_table(
    "heatmaps",
    "session_id:string distinct_id:string timestamp:datetime x:integer y:integer scale_factor:integer "
    "viewport_width:integer viewport_height:integer pointer_target_fixed:boolean current_url:string type:string "
    "uuid:uuid item:integer",
    "distinct_id",
)
_HEATMAP = {name: field for name, field in RAW_HEATMAPS.fields.items() if name not in ("uuid", "item")}
HEATMAPS = LazyTable(
    name="heatmaps",
    stored="raw_heatmaps",
    fields=MappingProxyType(_HEATMAP),
    star=tuple(name for name in _HEATMAP if name != "team_id"),
    keys=("uuid", "item"),
    sample_column="distinct_id",
)
RAW_APP_METRICS = plain_table(
    "app_metrics2",
    "timestamp:datetime app_source:string app_source_id:string instance_id:string metric_kind:string "
    "metric_name:string count:integer uuid:uuid",
)
_METRIC = {name: field for name, field in RAW_APP_METRICS.fields.items() if name != "uuid"}
APP_METRICS = LazyTable(
    name="app_metrics",
    stored="raw_app_metrics",
    fields=MappingProxyType(_METRIC),
    star=tuple(name for name in _METRIC if name != "team_id"),
    keys=("uuid",),
)

RAW_DOCUMENT_EMBEDDINGS = plain_table(
    "document_embeddings",
    "product:string document_type:string model_name:string rendering:string document_id:string timestamp:datetime "
    "inserted_at:datetime content:string metadata:json embedding:array",
)
DOCUMENT_EMBEDDINGS = LazyTable(
    name="document_embeddings",
    stored="raw_document_embeddings",
    fields=RAW_DOCUMENT_EMBEDDINGS.fields,
    star=RAW_DOCUMENT_EMBEDDINGS.star,
    keys=("product", "document_type", "model_name", "rendering", "document_id"),
    version="inserted_at",
)

RAW_ISSUE_OVERRIDES = plain_table(
    "error_tracking_issue_fingerprint_overrides",
    "fingerprint:string issue_id:uuid is_deleted:boolean version:integer",
)
ISSUE_OVERRIDES = LazyTable(
    name="error_tracking_issue_fingerprint_overrides",
    stored="raw_error_tracking_issue_fingerprint_overrides",
    fields=MappingProxyType(
        {name: RAW_ISSUE_OVERRIDES.fields[name] for name in ("fingerprint", "issue_id", "team_id")}
    ),
    star=("fingerprint", "issue_id"),
    keys=("fingerprint",),
    version="version",
    having="argMax(is_deleted, version) = 0",
)
