"""AI events: which events they are, and which of their properties are large. PostHog's own names.

An AI event goes to the log twice, as a StoredEvent (`events.py`) with the same uuid: to `clickhouse_events_json` like
every event, and whole to `clickhouse_ai_events_json`, for the table `ai_events`. Both records carry the header
`productTrack`, `llma`; a record without it is of the track `general`. For projects that the operator names, the first
one goes without the large properties.
"""

NAMES = frozenset(
    {
        "$ai_generation",
        "$ai_embedding",
        "$ai_span",
        "$ai_trace",
        "$ai_metric",
        "$ai_feedback",
        "$ai_evaluation",
        "$ai_evaluation_report",
        "$ai_tag",
        "$ai_generation_summary",
        "$ai_trace_summary",
    }
)
LARGE = ("$ai_input", "$ai_output", "$ai_output_choices", "$ai_input_state", "$ai_output_state", "$ai_tools")
TRACK = ("productTrack", b"llma")
