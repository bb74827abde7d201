"""The kinds that an editor asks for while a query is written. They read no data, so they take no turn and no cache."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.hogql.autocomplete import suggested, suggested_in_expression
from libs.hogql.catalog import database_schema
from libs.hogql.compile import Project
from libs.hogql.metadata import Metadata, Remark, expression_metadata, query_metadata
from libs.hogql.schema import HOT_PATHS
from libs.kit.access import Team

Language = Literal["hogQL", "hogQLExpr", "hog", "hogTemplate", "hogJson", "liquid"]


class EditorQuery(BaseModel):
    """What the kinds have in common."""

    model_config = ConfigDict(extra="ignore")

    query: str = ""
    language: Language = "hogQL"
    variables: dict[str, dict[str, Any]] | None = None
    globals: dict[str, Any] | None = None


class HogQLMetadata(EditorQuery):
    """`kind: HogQLMetadata`."""

    kind: Literal["HogQLMetadata"]


class HogQLAutocomplete(EditorQuery):
    """`kind: HogQLAutocomplete`; the cursor is at `endPosition`."""

    kind: Literal["HogQLAutocomplete"]
    start_position: int = Field(0, alias="startPosition")
    end_position: int = Field(0, alias="endPosition")


class DatabaseSchemaQuery(BaseModel):
    """`kind: DatabaseSchemaQuery`."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["DatabaseSchemaQuery"]


def metadata(team: Team, query: HogQLMetadata) -> dict[str, Any]:
    """The answer to HogQLMetadata."""
    about: Callable[[str, Project], Metadata]
    match query.language:
        case "hogQL":
            about = query_metadata
        case "hogQLExpr":
            about = expression_metadata
        case language:
            about = _unread(language)
    placeholders = {**(query.globals or {}), **{f"variables.{name}": None for name in _variables(query)}}
    found = about(query.query, Project(team.id, team.timezone, team.week_start_day, placeholders))
    return {
        "query": query.query,
        "isValid": not found.errors,
        "isUsingIndices": "undecisive",
        "errors": [_remark(remark) for remark in found.errors],
        "warnings": [_remark(remark) for remark in found.warnings],
        "notices": [_remark(remark) for remark in found.notices],
        "table_names": found.table_names,
        "ch_table_names": found.stored_tables,
        "view_metadata": {},
    }


def autocomplete(query: HogQLAutocomplete) -> dict[str, Any]:
    """The answer to HogQLAutocomplete. Of properties it knows those that the table has columns for."""
    if query.language not in ("hogQL", "hogQLExpr"):
        return {"suggestions": [], "incomplete_list": False}
    suggest = suggested if query.language == "hogQL" else suggested_in_expression
    found = suggest(query.query, query.end_position, sorted(HOT_PATHS), _variables(query))
    return {
        "suggestions": [
            {"label": item.label, "insertText": item.text, "kind": item.kind, "detail": item.detail}
            for item in found.items
        ],
        "incomplete_list": found.incomplete,
    }


def schema(query: DatabaseSchemaQuery) -> dict[str, Any]:
    """The answer to DatabaseSchemaQuery."""
    return database_schema()


def _variables(query: EditorQuery) -> list[str]:
    named = (variable.get("code_name") for variable in (query.variables or {}).values())
    return [name for name in named if isinstance(name, str)]


def _unread(language: str) -> Callable[[str, Project], Metadata]:
    def about(text: str, project: Project) -> Metadata:
        return Metadata(errors=[Remark(f"Texts in {language} are not checked yet.", 0, len(text))])

    return about


def _remark(remark: Remark) -> dict[str, Any]:
    shown = {"message": remark.message, "start": remark.start, "end": remark.end, "fix": remark.fix}
    return {name: value for name, value in shown.items() if value is not None}
