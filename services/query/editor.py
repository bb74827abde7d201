"""The kinds that an editor asks for while a query is written. They read no data, so they take no turn and no cache."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.hogql import ast
from libs.hogql.autocomplete import suggested, suggested_in_expression
from libs.hogql.catalog import database_schema
from libs.hogql.compile import Project
from libs.hogql.errors import HogQLError
from libs.hogql.metadata import Metadata, Remark, expression_metadata, query_metadata
from libs.hogql.parser import parse_expr, parse_select
from libs.hogql.schema import HOT_PATHS, database_for
from libs.kit.access import Team
from services.query.preparing import Preparing, persons_mode

_MOST_PROPERTIES = 5_000

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
    modifiers: dict[str, Any] | None = None


async def metadata(preparing: Preparing, team: Team, query: HogQLMetadata) -> dict[str, Any]:
    """The answer to HogQLMetadata."""
    about: Callable[[str, Project], Metadata]
    match query.language:
        case "hogQL":
            about = query_metadata
        case "hogQLExpr":
            about = expression_metadata
        case language:
            about = _unread(language)
    values = {**(query.globals or {}), **{f"variables.{name}": None for name in _variables(query)}}
    project = await preparing.project(team, _parsed(query), values=values)
    found = about(query.query, project)
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


async def autocomplete(preparing: Preparing, team: Team, query: HogQLAutocomplete) -> dict[str, Any]:
    """The answer to HogQLAutocomplete. Of properties it knows those of events."""
    if query.language not in ("hogQL", "hogQLExpr"):
        return {"suggestions": [], "incomplete_list": False}
    suggest = suggested if query.language == "hogQL" else suggested_in_expression
    names = sorted({*HOT_PATHS, *await preparing.repository.property_names(team.id, _MOST_PROPERTIES)})
    found = suggest(query.query, query.end_position, names, _variables(query))
    return {
        "suggestions": [
            {"label": item.label, "insertText": item.text, "kind": item.kind, "detail": item.detail}
            for item in found.items
        ],
        "incomplete_list": found.incomplete,
    }


async def schema(preparing: Preparing, team: Team, query: DatabaseSchemaQuery) -> dict[str, Any]:
    """The answer to DatabaseSchemaQuery."""
    mode = persons_mode(query.modifiers or {})
    return database_schema(database_for(mode, await preparing.repository.group_types(team.id)))


def _parsed(query: HogQLMetadata) -> ast.Node | None:
    """The tree of the text, if it is one already: metadata itself says what is wrong with it."""
    try:
        return parse_select(query.query) if query.language == "hogQL" else parse_expr(query.query)
    except HogQLError:
        return None


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
