"""Events, and the person of each: as it was at the event, or as it is now.

`personsOnEventsMode` says which. Two modes follow merges that came after the event (`override`), one reads the person
as it is now, and one asks the distinct id's present person for everything.
"""

from types import MappingProxyType

from libs.hogql.schema.fields import (
    AliasField,
    ColumnField,
    ExpressionField,
    Field,
    GroupField,
    JoinField,
    JsonField,
    PropertyField,
    Table,
)

DISABLED = "disabled"
NO_OVERRIDE = "person_id_no_override_properties_on_events"
OVERRIDE = "person_id_override_properties_on_events"
JOINED = "person_id_override_properties_joined"
PERSONS_MODES = (DISABLED, NO_OVERRIDE, OVERRIDE, JOINED)

# As in the table's definition (a test compares): a typed path is read without asking for its type.
HOT_PATHS = frozenset(("$browser", "$current_url", "$device_type", "$os", "$pathname", "$session_id"))

_ELEMENTS = {
    "elements_chain_href": 'extract(elements_chain, \'(?::|")href="(.*?)"\')',
    "elements_chain_texts": 'arrayDistinct(extractAll(elements_chain, \'(?::|")text="(.*?)"\'))',
    "elements_chain_ids": 'arrayDistinct(extractAll(elements_chain, \'(?::|")attr_id="(.*?)"\'))',
    "elements_chain_elements": (
        "arrayDistinct(extractAll(elements_chain, '(?:^|;)(a|button|form|input|select|textarea|label)(?:\\\\.|$|:)'))"
    ),
}
_FROM_PROPERTIES = ("$session_id", "$window_id", "$group_0", "$group_1", "$group_2", "$group_3", "$group_4")

_AT_EVENT: dict[str, Field] = {
    "created_at": ColumnField("person_created_at", "datetime"),
    "properties": JsonField("person_properties", "person_properties_raw", described="person"),
}
_OVERRIDDEN = "if(not(empty(override.distinct_id)), override.person_id, event_person_id)"


# by number: a session's id as text is made of it, and would have to be made of every session there is
_SESSION_OF = (("_toUInt128(toUUID(`$session_id`))", "session_id_v7"),)


def _person_fields(mode: str) -> dict[str, Field]:
    """`person_id` and `person` in one of the modes."""
    stored = ColumnField("person_id", "uuid")
    override = JoinField("person_distinct_id_overrides", (("distinct_id", "distinct_id"),))
    poe = GroupField(MappingProxyType({"id": stored, **_AT_EVENT}))
    if mode == DISABLED:
        return {"person_id": AliasField(("pdi", "person_id")), "person": AliasField(("pdi", "person")), "poe": poe}
    if mode == NO_OVERRIDE:
        return {"person_id": stored, "person": poe, "poe": poe}
    person: Field = GroupField(MappingProxyType({"id": ExpressionField(_OVERRIDDEN, "uuid"), **_AT_EVENT}))
    if mode == JOINED:
        person = JoinField("persons", ((_OVERRIDDEN, "id"),))
    person_id = ExpressionField(_OVERRIDDEN, "uuid")
    return {"person_id": person_id, "event_person_id": stored, "override": override, "person": person, "poe": poe}


def _group_fields(number: int) -> dict[str, Field]:
    key = f"$group_{number}"
    at_event = GroupField(MappingProxyType({"key": PropertyField("properties", "properties_raw", key)}))
    return {f"group_{number}": JoinField(f"groups_{number}", ((f"`{key}`", "key"),)), f"goe_{number}": at_event}


def events_table(mode: str = OVERRIDE, group_types: tuple[tuple[int, str], ...] = ()) -> Table:
    """Events in one of the modes; `group_types` are (index, name): each name is that group too."""
    fields: dict[str, Field] = {
        "uuid": ColumnField("uuid", "uuid"),
        "event": ColumnField("event", "string"),
        "properties": JsonField("properties", "properties_raw", HOT_PATHS, described="event"),
        "timestamp": ColumnField("timestamp", "datetime"),
        "team_id": ColumnField("team_id", "integer"),
        "distinct_id": ColumnField("distinct_id", "string"),
        "elements_chain": ColumnField("elements_chain", "string"),
        "created_at": ColumnField("created_at", "datetime"),
        "captured_at": ColumnField("captured_at", "datetime", nullable=True),
        "inserted_at": ColumnField("inserted_at", "datetime"),
        **{name: PropertyField("properties", "properties_raw", name, name in HOT_PATHS) for name in _FROM_PROPERTIES},
        "$session_id_uuid": ExpressionField("toUUID(`$session_id`)", "uuid"),
        "person_mode": ColumnField("person_mode", "unknown"),
        "historical_migration": ColumnField("historical_migration", "boolean"),
        **{name: ExpressionField(text) for name, text in _ELEMENTS.items()},
        "issue_id": ExpressionField("toUUID(properties.$exception_issue_id)", "uuid"),
        "event_issue_id": ExpressionField("toUUID(properties.$exception_issue_id)", "uuid"),
        **_VIRTUAL,
        "pdi": JoinField("person_distinct_ids", (("distinct_id", "distinct_id"),), "INNER"),
        **_person_fields(mode),
        "session": JoinField("sessions", _SESSION_OF, bounded_by="timestamp"),
    }
    for number in range(5):
        fields.update(_group_fields(number))
    for index, name in group_types:
        fields.setdefault(name, AliasField((f"group_{index}",)))
    return Table(
        name="events",
        team_column="team_id",
        fields=MappingProxyType(fields),
        star=_STAR,
        sample_column="distinct_id",
    )


_VIRTUAL: dict[str, Field] = {
    "$virt_is_bot": ExpressionField("isLikelyBot(properties.$raw_user_agent)", "boolean"),
    "$virt_traffic_type": ExpressionField("getTrafficType(properties.$raw_user_agent)", "string"),
    "$virt_traffic_category": ExpressionField("getTrafficCategory(properties.$raw_user_agent)", "string"),
    "$virt_bot_name": ExpressionField("getBotName(properties.$raw_user_agent)", "string"),
    "$virt_bot_operator": ExpressionField("getBotOperator(properties.$raw_user_agent)", "string"),
}
_STAR = (
    "uuid", "event", "properties", "timestamp", "distinct_id", "elements_chain", "created_at", "$session_id",
    "$window_id", "person_mode", *_FROM_PROPERTIES[2:], *_ELEMENTS,
)  # fmt: skip

EVENTS = events_table()
