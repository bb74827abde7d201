"""AI events: calls of language models, with what is asked of them as columns."""

from types import MappingProxyType

from libs.hogql.schema.fields import AliasField, Field, JoinField, LazyTable
from libs.hogql.schema.telemetry import plain_table

RAW_AI_EVENTS = plain_table(
    "ai_events",
    "uuid:uuid event:string timestamp:datetime distinct_id:string person_id:uuid properties:json "
    "retention_days:integer trace_id:string session_id:string? parent_id:string? span_id:string? span_type:string? "
    "generation_id:string? experiment_id:string? span_name:string? trace_name:string? prompt_name:string? "
    "model:string? provider:string? framework:string? total_tokens:integer? input_tokens:integer? "
    "output_tokens:integer? text_input_tokens:integer? text_output_tokens:integer? image_input_tokens:integer? "
    "image_output_tokens:integer? audio_input_tokens:integer? audio_output_tokens:integer? "
    "video_input_tokens:integer? video_output_tokens:integer? reasoning_tokens:integer? "
    "cache_read_input_tokens:integer? cache_creation_input_tokens:integer? web_search_count:integer? "
    "input_cost_usd:float? output_cost_usd:float? total_cost_usd:float? request_cost_usd:float? "
    "web_search_cost_usd:float? audio_cost_usd:float? image_cost_usd:float? video_cost_usd:float? latency:float? "
    "time_to_first_token:float? is_error:boolean error:string? error_type:string? error_normalized:string? "
    "input:json output:json output_choices:json input_state:json output_state:json tools:json",
    "distinct_id",
)
_LINKS: dict[str, Field] = {
    "pdi": JoinField("person_distinct_ids", (("distinct_id", "distinct_id"),), "INNER"),
    "person": AliasField(("pdi", "person")),
}
# A copy has the same uuid, and is gone only once parts are merged. By trace too, so that a condition on one reads one.
AI_EVENTS = LazyTable(
    name="ai_events",
    stored="raw_ai_events",
    fields=MappingProxyType({**RAW_AI_EVENTS.fields, **_LINKS}),
    star=RAW_AI_EVENTS.star,
    keys=("trace_id", "uuid"),
    bounds=MappingProxyType({"timestamp": "timestamp"}),
    sample_column="distinct_id",
)
