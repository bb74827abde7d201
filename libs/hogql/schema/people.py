"""Persons, the distinct ids that they go by, groups, and who is in a cohort.

Stored rows are states under a version, and the highest version counts. The tables without `raw_` show that state only,
without what is deleted.
"""

from types import MappingProxyType

from libs.hogql.schema.channel import channel_type
from libs.hogql.schema.fields import ColumnField, ExpressionField, Field, JoinField, JsonField, LazyTable, Table

_TEAM = ColumnField("team_id", "integer")
_PERSON = JoinField("persons", (("person_id", "id"),))

_ORIGIN: dict[str, Field] = {
    "$virt_initial_channel_type": ExpressionField(
        channel_type(
            **{
                name: f"properties.$initial_{found}"
                for name, found in (
                    ("campaign", "utm_campaign"),
                    ("medium", "utm_medium"),
                    ("source", "utm_source"),
                    ("domain", "referring_domain"),
                    ("gclid", "gclid"),
                    ("gad_source", "gad_source"),
                    ("fbclid", "fbclid"),
                )
            }
        ),
        "string",
    ),
    "$virt_initial_referring_domain_type": ExpressionField(
        "lookupDomainType(properties.$initial_referring_domain)", "string"
    ),
}

RAW_PERSONS = Table(
    name="person",
    team_column="team_id",
    fields=MappingProxyType(
        {
            "id": ColumnField("id", "uuid"),
            "created_at": ColumnField("created_at", "datetime"),
            "properties": JsonField("properties", "properties_raw", described="person"),
            "is_identified": ColumnField("is_identified", "boolean"),
            "team_id": _TEAM,
            "last_seen_at": ColumnField("last_seen_at", "datetime", nullable=True),
            "is_deleted": ColumnField("is_deleted", "boolean"),
            "version": ColumnField("version", "integer"),
        }
    ),
    star=("id", "created_at", "properties", "is_identified", "is_deleted", "version"),
    sample_column="id",
)

PERSONS = LazyTable(
    name="persons",
    stored="raw_persons",
    fields=MappingProxyType(
        {
            "id": ColumnField("id", "uuid"),
            "created_at": ColumnField("created_at", "datetime"),
            "properties": JsonField("properties", "properties", described="person"),
            "is_identified": ColumnField("is_identified", "boolean"),
            "team_id": _TEAM,
            "last_seen_at": ColumnField("last_seen_at", "datetime", nullable=True),
            "pdi": JoinField("person_distinct_ids", (("id", "person_id"),)),
            **_ORIGIN,
        }
    ),
    star=("id", "created_at", "properties", "is_identified"),
    keys=("id",),
    version="version",
    # a person from the future is somebody's wrong clock
    having="argMax(is_deleted, version) = 0 and argMax(created_at, version) < now() + interval 1 day",
    sample_column="id",
)


def _distinct_ids(name: str) -> Table:
    return Table(
        name=name,
        team_column="team_id",
        fields=MappingProxyType(
            {
                "distinct_id": ColumnField("distinct_id", "string"),
                "person_id": ColumnField("person_id", "uuid"),
                "team_id": _TEAM,
                "is_deleted": ColumnField("is_deleted", "boolean"),
                "version": ColumnField("version", "integer"),
                "person": _PERSON,
            }
        ),
        star=("distinct_id", "person_id", "is_deleted", "version"),
        sample_column="distinct_id",
    )


def _latest_distinct_ids(name: str, stored: str) -> LazyTable:
    return LazyTable(
        name=name,
        stored=stored,
        fields=MappingProxyType(
            {
                "distinct_id": ColumnField("distinct_id", "string"),
                "person_id": ColumnField("person_id", "uuid"),
                "team_id": _TEAM,
                "person": _PERSON,
            }
        ),
        star=("distinct_id", "person_id"),
        keys=("distinct_id",),
        version="version",
        having="argMax(is_deleted, version) = 0",
        sample_column="distinct_id",
    )


RAW_PERSON_DISTINCT_IDS = _distinct_ids("person_distinct_id2")
RAW_PERSON_DISTINCT_ID_OVERRIDES = _distinct_ids("person_distinct_id_overrides")
PERSON_DISTINCT_IDS = _latest_distinct_ids("person_distinct_ids", "raw_person_distinct_ids")
PERSON_DISTINCT_ID_OVERRIDES = _latest_distinct_ids("person_distinct_id_overrides", "raw_person_distinct_id_overrides")

_GROUP_STAR = ("index", "key", "created_at", "updated_at", "properties")

RAW_GROUPS = Table(
    name="groups",
    team_column="team_id",
    fields=MappingProxyType(
        {
            "index": ColumnField("group_type_index", "integer"),
            "key": ColumnField("group_key", "string"),
            "created_at": ColumnField("created_at", "datetime"),
            "updated_at": ColumnField("_timestamp", "datetime"),
            "properties": JsonField("group_properties", "group_properties_raw"),
            "team_id": _TEAM,
            "version": ColumnField("version", "integer"),
        }
    ),
    star=_GROUP_STAR,
    sample_column="group_key",
)


def groups_table(index: int | None = None) -> LazyTable:
    """All groups, or those of one type, whose properties have definitions of their own."""
    described = "" if index is None else f"group_{index}"
    return LazyTable(
        name="groups",
        stored="raw_groups",
        fields=MappingProxyType(
            {
                "index": ColumnField("index", "integer"),
                "key": ColumnField("key", "string"),
                "created_at": ColumnField("created_at", "datetime"),
                "updated_at": ColumnField("updated_at", "datetime"),
                "properties": JsonField("properties", "properties", described=described),
                "team_id": _TEAM,
            }
        ),
        star=_GROUP_STAR,
        keys=("index", "key"),
        version="version",
        where="" if index is None else f"index = {index}",
        sample_column="key",
    )


_MEMBER: dict[str, Field] = {
    "person_id": ColumnField("person_id", "uuid"),
    "cohort_id": ColumnField("cohort_id", "integer"),
    "team_id": _TEAM,
    "person": _PERSON,
}

RAW_COHORT_PEOPLE = Table(
    name="cohortpeople",
    team_column="team_id",
    fields=MappingProxyType(
        {**_MEMBER, "sign": ColumnField("sign", "integer"), "version": ColumnField("version", "integer")}
    ),
    star=("person_id", "cohort_id", "sign", "version"),
    sample_column="person_id",
)

COHORT_PEOPLE = LazyTable(
    name="cohort_people",
    stored="raw_cohort_people",
    fields=MappingProxyType(_MEMBER),
    star=("person_id", "cohort_id"),
    keys=("person_id", "cohort_id"),
    # a calculation writes its members under a new version before the old ones go
    where="(cohort_id, version) in (select cohort_id, max(version) from raw_cohort_people group by cohort_id)",
    having="sum(sign) > 0",
)

STATIC_COHORT_PEOPLE = Table(
    name="person_static_cohort",
    team_column="team_id",
    fields=MappingProxyType(_MEMBER),
    star=("person_id", "cohort_id"),
    sample_column="person_id",
)
