"""PostHog's own functions, as other HogQL. Each takes the arguments as they were written."""

from collections.abc import Callable, Mapping

from libs.hogql import ast
from libs.hogql.errors import QueryError
from libs.hogql.parser import parse_expr
from libs.hogql.tree import Rewriter


def _text(node: ast.Expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _property(name: str) -> ast.Field:
    return ast.Field(("properties", name))


def _call(name: str, *args: ast.Expr) -> ast.Call:
    return ast.Call(name, args)


def _recording_button(args: tuple[ast.Expr, ...]) -> ast.Expr:
    status = args[1] if len(args) > 1 else _property("$recording_status")
    words = [ast.Constant(word) for word in ("__hx_tag", "RecordingButton", "sessionId", "recordingStatus")]
    return ast.Tuple((words[0], words[1], words[2], args[0], words[3], status))


def _survey_response(args: tuple[ast.Expr, ...]) -> ast.Expr:
    """The answer to a question: under the question's id, or its number."""
    index = args[0].value if isinstance(args[0], ast.Constant) else None
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise QueryError("getSurveyResponse: the index must be a whole number.", start=args[0].start, end=args[0].end)
    question = _text(args[1]) if len(args) > 1 else None
    keys = ["$survey_response" if index == 0 else f"$survey_response_{index}"]
    if question:
        keys.insert(0, f"$survey_response_{question}")
    several = len(args) > 2 and isinstance(args[2], ast.Constant) and args[2].value is True
    if several:
        lists = [_call("JSONExtractArrayRaw", ast.Field(("properties",)), ast.Constant(key)) for key in keys]
        return lists[0] if len(lists) == 1 else _call("if", _call("notEmpty", lists[0]), *lists)
    values = [_call("nullIf", _property(key), ast.Constant("")) for key in keys]
    return values[0] if len(values) == 1 else _call("coalesce", *values)


_LATEST_ANSWER = (
    "uuid in (select argMax(uuid, timestamp) from events where event = 'survey sent' and properties.$survey_id = {id} "
    "and timestamp >= {first} and timestamp <= {last} group by if(coalesce(properties.$survey_submission_id, '') = '', "
    "toString(uuid), properties.$survey_submission_id))"
)


def _unique_submissions(args: tuple[ast.Expr, ...]) -> ast.Expr:
    """Of each submission of a survey the latest event."""
    bounds = (*args[1:], *(ast.Constant("2000-01-01"), ast.Constant("2299-12-31"))[len(args) - 1 :])
    wanted = {"id": args[0], "first": bounds[0], "last": bounds[1]}
    return Filled(wanted).visit(parse_expr(_LATEST_ANSWER))  # type: ignore[no-any-return]


class Filled(Rewriter):
    """Puts nodes in the place of `{name}`."""

    def __init__(self, nodes: Mapping[str, ast.Expr]):
        self.nodes = nodes

    def visit_placeholder(self, node: ast.Placeholder) -> ast.Expr:
        return self.nodes[str(node.expr.chain[0])] if isinstance(node.expr, ast.Field) else node


EXPANSIONS: dict[str, Callable[[tuple[ast.Expr, ...]], ast.Expr]] = {
    "recordingButton": _recording_button,
    "getSurveyResponse": _survey_response,
    "uniqueSurveySubmissionsFilter": _unique_submissions,
}
