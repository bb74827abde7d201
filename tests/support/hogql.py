"""The real ClickHouse inside the test process, with the real events table and the events of two teams."""

import json
from collections.abc import Sequence
from typing import Any

import chdb.session

from libs.hogql.compile import Compiled, Project, compile_query
from libs.kit.clickhouse.statement_settings import INSERT, JSON_INPUT
from libs.kit.clickhouse.values import parameter
from libs.kit.schema.clickhouse.layout import Layout
from libs.kit.schema.clickhouse.runner import shipped
from tests.support.hogql_tables import SESSION, recordings, tables_of

TEAM, OTHER_TEAM = 1, 2
OTHER_MARK = "of-the-other-team"

PERSON = "01890000-0000-0000-0000-00000000000{}"


def event_row(
    team: int, number: int, event: str, timestamp: str, properties: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """One row of the events table."""
    raw = json.dumps(properties, ensure_ascii=False)
    person = more.pop("person_properties", {})
    return {
        "uuid": f"0189abcd-0000-0000-000{team}-{number:012d}",
        "event": event,
        "properties": properties,
        "properties_raw": raw,
        "timestamp": timestamp,
        "team_id": team,
        "project_id": team,
        "distinct_id": f"user{number % 3}" if team == TEAM else f"{OTHER_MARK}-{number}",
        "elements_chain": more.pop("elements_chain", ""),
        "created_at": timestamp,
        "captured_at": None,
        "person_id": PERSON.format(number % 3 if team == TEAM else 9),
        "person_created_at": "2024-01-01 00:00:00",
        "person_properties": person,
        "person_properties_raw": json.dumps(person),
        "person_mode": "full",
        "historical_migration": False,
        "_log_id": "test",
        "_partition": 0,
        "_offset": team * 1000 + number,
        "_timestamp": "2024-06-01 00:00:00",
        **more,
    }


ROWS: Sequence[dict[str, Any]] = [
    event_row(
        TEAM, 1, "$pageview", "2024-05-01 10:00:00.123456",
        {"$browser": "Chrome", "plan": "pro", "price": 10, "vip": True, "tags": ["a", "b"], "$set": {"email": "a@x"},
            "$session_id": SESSION, "$group_0": "acme", "$current_url": "https://x.org/a?b=c"},
        person_properties={"email": "a@x.org"},
        elements_chain='a:href="/x"text="Go"attr_id="go";button:text="Go"',
    ),
    event_row(TEAM, 2, "$pageview", "2024-05-01 22:30:00",
        {"$browser": "Firefox", "plan": "free", "price": 2.5, "vip": False, "$group_0": "initech"}),
    event_row(TEAM, 3, "signup", "2024-05-02 09:00:00",
        {"$browser": "Chrome", "plan": None, "price": "abc", "a b": {"c": "deep"}}),
    event_row(TEAM, 4, "signup", "2024-05-03 09:00:00",
        {"empty": "", "text": 'he said "hi"\n', "items": [{"sku": "s1"}, {"sku": "s2"}]}),
    event_row(TEAM, 5, "purchase", "2024-05-04 09:00:00", {"plan": "pro", "price": 100, "due": "2024-06-01T00:00:00Z"}),
    *[
        event_row(OTHER_TEAM, number, OTHER_MARK, "2024-05-01 10:00:00",
            {"$browser": OTHER_MARK, "plan": OTHER_MARK, "price": 666666, "$session_id": SESSION,
             "$current_url": f"https://{OTHER_MARK}.org/", "$group_0": "acme"})
        for number in range(1, 8)
    ],
]  # fmt: skip


_NAMES = ((TEAM, "ours"), (OTHER_TEAM, OTHER_MARK))


class Engine:
    """Runs compiled queries."""

    def __init__(self) -> None:
        untyped: Any = chdb.session
        self._session = untyped.Session()
        self._session.query("CREATE DATABASE IF NOT EXISTS hogql")
        self._session.query("USE hogql")
        for migration in shipped():
            for statement in migration.statements(Layout("hogql")):
                self._session.query(statement)
        settings = {**INSERT, **JSON_INPUT}
        assignments = ", ".join(
            f"{k} = {v!r}" for k, v in settings.items() if not k.startswith(("wait", "distributed"))
        )
        for table, rows in {"events": ROWS, **tables_of(TEAM, OTHER_TEAM, OTHER_MARK)}.items():
            lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
            self._session.query(f"INSERT INTO {table} SETTINGS {assignments} FORMAT JSONEachRow {lines}")
        for statement in recordings(TEAM, OTHER_TEAM, OTHER_MARK):
            self._session.query(statement)
        self._session.query("SET transform_null_in = 1, output_format_json_quote_64bit_integers = 0")

    def run(self, sql: str, values: dict[str, Any] | None = None) -> list[list[Any]]:
        """The rows of one statement."""
        for name, value in (values or {}).items():
            text = parameter(value).decode().replace("\\", "\\\\").replace("'", "\\'")
            self._session.query(f"SET param_{name} = '{text}'")
        answer = str(self._session.query(sql, "JSONCompact"))
        rows: list[list[Any]] = json.loads(answer)["data"]
        return rows

    def run_statement(self, sql: str) -> None:
        """A statement without rows."""
        self._session.query(sql)

    def compiled(self, compiled: Compiled) -> list[list[Any]]:
        """The rows of a compiled query. Tables whose rows come with a query get a row of each team: the query's own
        guard must tell them apart."""
        lines = [
            json.dumps({"id": str(team), "name": name, "table_name": name, "team_id": team}) for team, name in _NAMES
        ]
        return self.run(compiled.sql, {**compiled.values, **dict.fromkeys(compiled.rows, "\n".join(lines))})

    def hogql(self, text: str, *, team: int = TEAM, timezone: str = "UTC", **more: Any) -> list[list[Any]]:
        """The rows of a HogQL query."""
        return self.compiled(compile_query(text, Project(team, timezone, **more)))
