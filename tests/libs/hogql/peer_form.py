"""Where our parser and PostHog's differ, and why; and the two JSON forms made comparable.

A difference between two trees is explained only if the trees are equal once it is taken away; one in the verdict, only
by what was said against the query.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from libs.hogql import ast
from libs.hogql.errors import HogQLError, NotSupported
from libs.hogql.json_form import to_json
from libs.hogql.parser import parse_select
from libs.hogql.tree import walk
from libs.hogql.words import KEYWORDS

Form = dict[str, Any]

#: Each with the smallest query that shows it.
DIFFERENCES = {
    # names the lambda's body in the peer's, and `5. z` is `5 .z`
    "alias after a lambda or a number": "select x -> y as z",
    # ours orders and cuts the whole; the peer loses it, or gives it to one SELECT, depending on how it is written
    "order after a set query": "(select 1) order by 1",
    # names for all of it in ours, for the first in the peer's
    "with before a set query": "with q as (select 1) select 1 union all select 2",
    # ours keeps them; the peer takes them away, and with them the order
    "brackets in from": "select 1 from (a join b)",
    # the peer turns b, ours all that stands before
    "pivot of one table": "select 1 from a, b unpivot (c for d in (e))",
    # accesses in the peer's; ours prints them as they were written
    "steps": "select a?.b",
    # one chain in the peer's
    "template in a chain": "select f'a{b}' || c",
    # one ColumnsExpr in another in the peer's
    "columns of a star": "select columns(* exclude (a))",
    # the peer takes a for an argument of the lambda
    "names before a lambda": "select f(a, x -> 1)",
    # and then a label is the lambda's in the peer's, the name's in ours
    "label before a lambda": "select a: b, x -> 1",
    # parameters in the peer's
    "arguments within group": "select f(1) within group (order by a)",
    # the peer reads an alias
    "name interpolated": "select 1 order by a interpolate (a as b)",
    # the call of a function select in the peer's
    "keyword read as a name": "select f(select (1))",
}
#: Ours takes them, the peer does not.
TAKEN = {
    # an alias in the peer's, which true cannot be
    "name interpolated": "select 1 order by a interpolate (a as true)",
    "name of a pivot": "select 1 from a final pivot (count() for b in (1)) as c",
    # the spec has it in every list; the peer not in this one
    "comma at the end": "select 1 order by a,",
    # calls of functions take it without brackets of its own
    "query for a table function": "select 1 from f(select 1)",
    # they stand alone in the brackets of a call in the peer's
    "query in a list": "select [select 1]",
    # the peer knows them everywhere else
    "space in a tag": "select <a href='x'\u00a0/>",
    # without a name, says the peer: it gave it to the lambda's body
    "alias after a lambda or a number": "select 1 from a array join x -> y as z",
}
#: Ours does not take them: it reads what is written in one way.
UNREAD = {
    "step into a fraction": "select .5.1",
    "step into a number": "select a: 1.b",
    # ours reads a number behind a word with a meaning, or behind `*`
    "step behind a space": "select date .5",
    "two names": "select 1 as a b",
    "order and limit in a call": "select f((select 1) order by a limit 2)",
    "interpolate behind a set query": "(select 1) order by 1 interpolate",
    # the spec refuses them; the peer keeps them as they are
    "escape in capitals": "select '\\N'",
    "keyword read as a name": "select distinct where 1",
}
#: Ours refuses them knowingly, in these words.
REFUSED = {
    # nothing that could be run
    "a tag is not a query": ("<b/>", "A tag is not a query"),
    # the peer drops WITH TOTALS, which changes results
    "totals without groups": ("select 1 with totals", "is not supported here"),
    # the peer's next stage says so, in the same words
    "a block": ("select x -> {return 1}", "You can not use blocks"),
    "names of calls": ("select f(1).a(2)", "You can only call simple functions"),
    # the peer refuses it as well, where it does not lose it: see "order after a set query"
    "settings in a lost order": ("(select 1) order by exists(select 1 settings a = 1)", "Unsupported: SETTINGS"),
    "substring in a lost order": ("(select 1) order by substring(a from 1)", "Unsupported: SUBSTRING"),
    # the peer tries every reading there is
    "interval of a text": ("select interval 'x'::date day", "Unsupported interval type"),
    # the spec has it in calls only
    "columns spread": ("select * columns('a')", "Spreading COLUMNS is only"),
}
#: Left out of the comparison: places; what only one form has, because the peer drops it while it reads.
_LEFT_OUT = frozenset((
    "start", "end", "written_as", "nulls", "collate", "is_null_comparison_style", "pairing", "percent", "parametric",
    "recursive", "value_type", "implicit",
))  # fmt: skip
_COMMENT = re.compile(r"/\*.*?\*/|(--|//|#(?!\d))[^\n]*", re.DOTALL)
_SPELLINGS = {"INNER JOIN": "JOIN", "SEMI JOIN": "LEFT SEMI JOIN", "ANTI JOIN": "LEFT ANTI JOIN"}
_QUERIES = (ast.SelectQuery, ast.SelectSetQuery)
_EMPTY: tuple[Any, ...] = (None, [], {}, False)
_TAIL = ("order_by", "limit", "offset", "limit_with_ties", "limit_percent")


def normal(value: Any) -> Any:
    """A form without what does not matter: places, empty fields, what the peer drops or writes in two ways."""
    return _rewritten(value, _plain)


def _rewritten(value: Any, rule: Callable[[Form], Any]) -> Any:
    if isinstance(value, list):
        return [_rewritten(item, rule) for item in value]
    if not isinstance(value, dict):
        return value
    return rule({key: _rewritten(item, rule) for key, item in value.items()})


def _plain(form: Form) -> Any:
    kind = form.get("node")
    if kind == "IgnoreNulls":
        return form["expr"]
    found = {key: item for key, item in form.items() if key not in _LEFT_OUT}
    dropped: tuple[str, ...] = ()
    if kind == "WindowFunction":
        dropped = ("distinct", "order_by", "filter_expr", "within_group")
    elif kind == "JoinConstraint":
        dropped = ("exprs",)
    elif kind == "ColumnsExpr":
        dropped = ("table",)
    elif kind == "SelectQuery" and found.get("group_by_mode") in ("totals", "rollup", "cube"):
        dropped = ("group_by_mode",)  # the peer keeps it of CUBE(a), not of WITH CUBE
    for name in dropped:
        found.pop(name, None)
    if found.get("join_type") is not None:
        join = found["join_type"].replace("OUTER ", "")
        found["join_type"] = _SPELLINGS.get(join, join)
    return {key: item for key, item in found.items() if item not in _EMPTY or key == "value"}


def _alias_last(form: Form) -> Form:
    if form.get("node") == "ArrayAccess" and form["array"].get("node") == "Constant":
        name = form["property"].get("value")
        if isinstance(form["array"]["value"], int | float) and isinstance(name, str):  # `5. c`, read as `5 .c`
            form = {"node": "Alias", "alias": name, "expr": form["array"]}
    chained = form.get("node") == "Call" and form["name"] in ("concat", "if", "ifNull")  # of `||`, `? :` and `??`
    for key in ("expr", "right", "high", "exprs", "left", *(["args"] if chained else [])):
        last = form.get(key)
        edge = last[-1] if isinstance(last, list) and last else last
        if (
            form.get("node") not in ("Alias", "OrderExpr", "CTE")
            and isinstance(edge, dict)
            and edge.get("node") == "Alias"
        ):
            inner = [*last[:-1], edge["expr"]] if isinstance(last, list) else edge["expr"]
            return {**edge, "expr": {**form, key: inner}}
    return form


def _tails(form: Form) -> Form:
    if form.get("node") == "SelectSetQuery" and not form.get("subsequent_select_queries"):
        form = form["initial_select_query"]
    if form.get("node") in ("SelectQuery", "SelectSetQuery"):
        return {key: item for key, item in form.items() if key not in _TAIL}
    return form


def _names(form: Form) -> Form:
    if form.get("node") in ("SelectQuery", "SelectSetQuery"):
        return {key: item for key, item in form.items() if key != "ctes"}
    return form


def _brackets(form: Form) -> Form:
    inner = form.get("table")
    if form.get("node") != "JoinExpr" or not isinstance(inner, dict) or inner.get("node") != "JoinExpr":
        return form
    chain = [dict(inner)]
    while "next_join" in chain[-1]:
        chain.append(dict(chain[-1].pop("next_join")))
    chain[0] |= {key: form[key] for key in ("join_type", "constraint") if key in form}
    joined = form.get("next_join")
    for one in reversed(chain):
        joined = {**one, "next_join": joined} if joined is not None else one
    return joined or form


def _pivots(form: Form) -> Form:
    if form.get("node") != "JoinExpr":
        return form
    turned = "PIVOT" in (form.get("table"), form.get("next_join")) or form["table"].get("node") in (
        "PivotExpr",
        "UnpivotExpr",
    )
    return "PIVOT" if turned else form  # type: ignore[return-value]


def _steps(form: Form) -> Form:
    if form.get("node") == "TupleAccess" and isinstance(form["index"], str):
        step = {"node": "Constant", "value": form["index"]}
        form = {**form, "node": "ArrayAccess", "array": form["tuple"], "property": step}
        del form["tuple"], form["index"]
    if form.get("node") == "Field" and form.get("nullish"):
        return {key: item for key, item in form.items() if key != "nullish"}
    if form.get("node") == "TupleAccess" and form["tuple"].get("node") == "Field":
        return {"node": "Field", "chain": [*form["tuple"]["chain"], form["index"]]}
    if form.get("node") == "ArrayAccess" and form["array"].get("node") == "Field":
        step = form["property"].get("value") if form["property"].get("node") == "Constant" else None
        return {"node": "Field", "chain": [*form["array"]["chain"], step]} if isinstance(step, str) else form
    return form


def _concats(form: Form) -> Form:
    if form.get("node") != "Call" or form["name"] != "concat" or "args" not in form:
        return form
    flat: list[Any] = []
    for arg in form["args"]:
        inner = isinstance(arg, dict) and arg.get("node") == "Call" and arg["name"] == "concat"
        flat += arg.get("args", []) if inner else [arg]
    return {**form, "args": flat}


def _columns(form: Form) -> Form:
    within = form.get("columns", ())
    if form.get("node") == "ColumnsExpr" and len(within) == 1:
        (one,) = within
        if one.get("node") == "ColumnsExpr":
            return {**{key: form[key] for key in form if key != "columns"}, **one}
        if one.get("chain", [""])[-1] == "*":
            return {"node": "ColumnsExpr", "all_columns": True, **{key: form[key] for key in form if key != "columns"}}
    return form


def _within_group(form: Form) -> Form:
    if form.get("within_group") and "params" not in form and "args" in form:
        form = {**form, "params": form["args"]}
        del form["args"]
    return form


def _interpolated(form: Form) -> Form:
    if form.get("node") == "InterpolateExpr" and form["expr"].get("node") == "Alias":
        named = form["expr"]
        return {**form, "expr": named["expr"], "value": named["alias"]}
    value = form.get("value")
    if form.get("node") == "InterpolateExpr" and value is not None:
        return {**form, "value": value.get("value", value.get("chain", [value])[0])}
    return form


def _names_before_lambda(form: Form) -> Form:
    return {key: _split(item) if isinstance(item, list) else item for key, item in form.items()}


def _label_before_lambda(form: Form) -> Form:
    split = _names_before_lambda(form)
    return {key: _labelled(item) if isinstance(item, list) else item for key, item in split.items()}


def _labelled(items: list[Any]) -> list[Any]:
    """A label of the first of some names moves to the lambda behind them."""
    found: list[Any] = []
    for item in items:
        at = len(found) - 1
        while at >= 0 and _is_name(found[at]):
            at -= 1
        if at >= 0 and _node(item) == "Lambda" and _node(found[at]) == "Alias" and _is_name(found[at].get("expr")):
            item = {**found[at], "expr": item}
            found[at] = found[at]["expr"]
        found.append(item)
    return found


def _is_name(form: Any) -> bool:
    return _node(form) == "Field" and len(form["chain"]) == 1


def _node(form: Any) -> Any:
    return form.get("node") if isinstance(form, dict) else None


def _split(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        compared = item.get("right") if isinstance(item, dict) else None
        if isinstance(compared, dict) and compared.get("node") == "Lambda" and len(compared.get("args", ())) > 1:
            found.append({**item, "right": {"node": "Field", "chain": compared["args"][:1]}})
            item = {**compared, "args": compared["args"][1:]}
        wrapped = isinstance(item, dict) and item.get("node") in ("Alias", "OrderExpr")
        function = item.get("expr") if wrapped else item
        if isinstance(function, dict) and function.get("node") == "Lambda" and len(function.get("args", ())) > 1:
            *names, last = function["args"]
            fields = [{"node": "Field", "chain": [name]} for name in names]
            ordered = wrapped and item["node"] == "OrderExpr"
            found += [{"node": "OrderExpr", "expr": one, "order": "ASC"} for one in fields] if ordered else fields
            function = {**function, "args": [last]}
            item = {**item, "expr": function} if wrapped else function
        found.append(item)
    return found


_RULES = {
    "steps": _steps, "arguments within group": _within_group, "name interpolated": _interpolated,
    "alias after a lambda or a number": _alias_last, "names before a lambda": _names_before_lambda,
    "label before a lambda": _label_before_lambda,
    "template in a chain": _concats, "columns of a star": _columns,
    "order after a set query": _tails, "with before a set query": _names, "brackets in from": _brackets,
    "pivot of one table": _pivots,
}  # fmt: skip
assert not _RULES.keys() - DIFFERENCES.keys()


def excused(ours: Any, peer: Any) -> str | None:
    """Why two normal forms differ, if taking the known differences away makes them equal."""
    for reason, rule in _RULES.items():
        if _rewritten(ours, rule) == _rewritten(peer, rule):
            return reason
    for rule in _RULES.values():
        ours, peer = _rewritten(ours, rule), _rewritten(peer, rule)
    return "several of them" if ours == peer else None


def read_as_a_name(text: str, peer: Form) -> bool:
    """Whether ours makes the peer's tree of the text once a keyword or two in it are quoted.

    The peer tries every reading there is, and may find one in which they are names."""
    wanted = {word.lower() for word in _texts(peer) if word.upper() in KEYWORDS | {"TRUE", "FALSE"}}
    places = [found.span() for found in re.finditer(r"[A-Za-z_]+", text) if found.group().lower() in wanted][:12]
    for count in (1, 2, 3):
        for taken in itertools.combinations(places, count):
            quoted = text
            for start, end in reversed(taken):
                quoted = f"{quoted[:start]}`{quoted[start:end]}`{quoted[end:]}"
            try:
                found = normal(to_json(parse_select(quoted)))
            except HogQLError as error:
                if _unread(error, quoted):
                    return True
                continue
            if found == normal(peer) or excused(found, normal(peer)):
                return True
    return False


def _texts(form: Any) -> Iterator[str]:
    if isinstance(form, str):
        yield form
    for inner in form.values() if isinstance(form, dict) else form if isinstance(form, list) else ():
        yield from _texts(inner)


def _said(error: HogQLError) -> str | None:
    found = (reason for reason, (_, words) in REFUSED.items() if words in error.message)
    return next(found, None) if isinstance(error, NotSupported) else None


def refused_knowingly(error: HogQLError, text: str, peer: Form) -> str | None:
    """Why ours refuses what the peer takes, if that is as we want it."""
    return _unread(error, text) or ("keyword read as a name" if read_as_a_name(text, peer) else None)


def _unread(error: HogQLError, text: str) -> str | None:
    here, before = text[error.start : error.end].lower(), _COMMENT.sub(" ", text[: error.start])
    if said := _said(error):
        return said
    if re.search(r"(\.\d+|\de\d+|p\d+)\.\d", text):
        return "step into a fraction"
    if re.fullmatch(r"\.\d+", here):
        return "step behind a space"
    if here in ("limit", "offset") and re.search(r"\)\s*order by [^()]*$", before, re.IGNORECASE):
        return "order and limit in a call"
    if here == "interpolate":
        return "interpolate behind a set query"
    if "Unknown escape" in error.message and here[-1:].isalpha():
        return "escape in capitals"
    if re.search(r"(\bas\s+|[`'\"]\s*)(`[^`]*`|'[^']*'|\"[^\"]*\"|\w+)\s+$", before, re.IGNORECASE):
        return "two names"
    if re.search(r"\b(from|join)\s+[\w.]+\s+\w+\s+$", before, re.IGNORECASE):
        return "two names"
    if here in ("date", "first", "id", "key") or re.search(
        r"([`\"]|\b(date|first|id|key))\s+\w*$", before, re.IGNORECASE
    ):
        return "two names"
    return "step into a number" if re.search(r"\d\.\s*[a-zA-Z_`\"\d]", text) else None


# the peer's lexer takes such a name for the end of a comparison
_SPACE_BEHIND_DASHES = re.compile(r"<\w+(-\w*)+[\xa0\u2003\ufeff]")


def taken_knowingly(tree: ast.Node, text: str, message: str) -> str | None:
    """Why ours takes what the peer refuses, if that is as we want it."""
    if "ARRAY JOIN arrays must have an alias" in message and ("->" in text or "lambda" in text.lower()):
        return "alias after a lambda or a number"
    if "cannot be an alias" in message and any(isinstance(node, ast.Interpolate) for node in walk(tree)):
        return "name interpolated"
    spaced = message.startswith("Unexpected character") or _SPACE_BEHIND_DASHES.search(text)
    if spaced and any(isinstance(node, ast.HogQLXTag) for node in walk(tree)):
        return "space in a tag"
    if any(isinstance(node, ast.Pivot) and node.alias is not None for node in walk(tree)):
        return "name of a pivot"
    if any(
        isinstance(arg, _QUERIES) for node in walk(tree) if isinstance(node, ast.TableRef) for arg in node.args or ()
    ):
        return "query for a table function"
    if re.search(r"[\[,(]\s*(select|with)\b[^()]*'$", message, re.IGNORECASE):
        return "query in a list"
    if re.search(r",\s*('$|[)\]]|limit|offset|union|interpolate|rows|range|from)", message, re.IGNORECASE):
        return "comma at the end"
    return None
