"""Records that become rows of tables of their own: heatmaps and app metrics (PostHog's words). JSON, times are
ClickHouse's, UTC.

HeatmapPoint, topic `clickhouse_heatmap_events`, key uuid of the event; `item` numbers the points of one event, so that
a copy is known as one. AppMetric, topic `clickhouse_app_metrics2`, key team: `count` more of something that a function
did or suffered. Records of one `uuid` count once, however often they are produced: whoever counts makes it from what is
counted (of the event's uuid, the function and the metric), so that counting again after a crash counts the same. A
record without one counts each time it is produced.
"""

import msgspec


class HeatmapPoint(msgspec.Struct, kw_only=True):
    """Where somebody clicked, moved or scrolled to, in units of `scale_factor` pixels."""

    uuid: str
    item: int
    type: str
    x: int
    y: int
    pointer_target_fixed: bool
    viewport_width: int
    viewport_height: int
    scale_factor: int
    current_url: str
    session_id: str
    timestamp: str
    team_id: int
    distinct_id: str


class AppMetric(msgspec.Struct, kw_only=True):
    """`app_source` and `app_source_id` say who counts, `metric_kind` and `metric_name` what."""

    uuid: str = ""
    team_id: int
    timestamp: str
    app_source: str
    app_source_id: str
    instance_id: str = ""
    metric_kind: str
    metric_name: str
    count: int
