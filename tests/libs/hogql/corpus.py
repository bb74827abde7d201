"""Queries made from the grammar, some of them broken afterwards: what two parsers are compared on. The same seed gives
the same queries."""

import random

_NAMES = "event properties.$browser person.properties.email timestamp a b `a b` e.uuid date id count key first".split(
    " "
)
_NAMES = [*(name for name in _NAMES if "`" not in name and name != "b`"), "`a b`", '"q"', "properties['k']", "list.1"]
_ATOMS = ["1", "0x1f", ".5", "1e3", "-2", "'x'", "'it''s'", "null", "true", "false", "inf", "f'a{b}c'", "{p}", "[1, 2]"]
_BINARY = "+ - * / % || = == != <> < <= > >= and or like ilike in ~ =~ !~ ~* =~* !~* ?? <=> <>".split()
_BINARY += ["not in", "not like", "is distinct from", "is not distinct from"]
_CALLS = "count sum toDate if arrayMap concat now date trim left interval year substring".split()
_UNITS = "second minute hour day week month quarter year".split()
_TYPES = ["int", "String", "Nullable(String)", "Decimal(10, 2)", "Array(Int64)", "double precision", "text[]"]
_JOINS = [
    "join", "inner join", "left join", "left outer join", "right join", "full join", "full outer join", "any left join",
    "left any join", "asof join", "asof left join", "semi left join", "left semi join", "left anti join", "all join",
    "any inner join", "inner any join", "natural join", "natural left join", "positional join", "semi join",
]  # fmt: skip
_TOKENS = (
    "select from where group by order limit offset union all as on using join ( ) [ ] { } , . ; : :: -> ? ?. ?? = < > "
    "+ - * / % || ~ and or not in is null between case when then else end with distinct over having 1 'x' x y interval "
    "day cast array final sample top ties fill first last nulls values exclude columns replace filter within ignore "
    "pivot unpivot natural lateral window rows range current row preceding qualify prewhere settings try_cast recursive"
).split()


class Corpus:
    """An endless source of texts."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)

    def text(self) -> str:
        """One query; every third is broken by a change or two."""
        query = self._set_query(2)
        return self._broken(query) if self._random.random() < 0.34 else query

    def _broken(self, query: str) -> str:
        words = query.split(" ")
        for _ in range(self._random.randint(1, 2)):
            at = self._random.randrange(len(words))
            match self._random.randrange(3):
                case 0:
                    del words[at]
                case 1:
                    words.insert(at, self._one(_TOKENS))
                case _:
                    words[at] = self._one(_TOKENS)
            words = words or ["select"]
        return " ".join(words)

    def _one(self, choices: list[str]) -> str:
        return self._random.choice(choices)

    def _maybe(self, text: str, chance: float = 0.25) -> str:
        return f" {text}" if self._random.random() < chance else ""

    def _list(self, depth: int, most: int = 3) -> str:
        return ", ".join([self._expr(depth) for _ in range(self._random.randint(1, most))])

    def _expr(self, depth: int) -> str:
        if depth <= 0 or self._random.random() < 0.3:
            return self._one(_NAMES) if self._random.random() < 0.6 else self._one(_ATOMS)
        one, two = self._expr(depth - 1), self._expr(depth - 1)
        shapes = [
            lambda: f"{one} {self._one(_BINARY)} {two}", lambda: f"{one} {self._one(_BINARY)} {two}",
            lambda: f"{self._one(_CALLS)}({self._list(depth - 1)})", lambda: f"{self._one(_CALLS)}()",
            lambda: f"({one})", lambda: f"({one}, {two})", lambda: f"not {one}", lambda: f"- {one}",
            lambda: f"{one} is{self._maybe('not')} null", lambda: f"{one}{self._maybe('not')} between {two} and 3",
            lambda: f"case{self._maybe(one)} when {one} then {two}{self._maybe('else ' + two)} end",
            lambda: f"cast({one} as {self._one(_TYPES)})", lambda: f"{one}::int", lambda: f"try_cast({one} as int)",
            lambda: f"interval {one} {self._one(_UNITS)}", lambda: "interval '3 days'", lambda: f"{one} ? {two} : 1",
            lambda: f"{one}[{two}]", lambda: f"{one}[1:{two}]", lambda: f"{one}.1", lambda: f"{one}?.x",
            lambda: f"x -> {one}", lambda: f"(x, y) -> {one}", lambda: f"lambda x: {one}", lambda: f"{{'k': {one}}}",
            lambda: f"(select {one})", lambda: f"quantile(0.5)({one})", lambda: f"count(distinct {one})",
            lambda: f"sum({one}) over (partition by {two}{self._maybe('order by a')}{self._maybe('rows 1 preceding')})",
            lambda: f"sum({one}) filter (where {two})", lambda: f"any({one}) ignore nulls", lambda: f"({one} as z)",
            lambda: f"trim(both 'x' from {one})", lambda: f"f({one} order by {two})", lambda: f"<b>{{{one}}}</b>",
            lambda: f"<a href='x' n={{{one}}} />", lambda: "columns('^e')", lambda: "#1", lambda: f"{{{one}}}",
            lambda: f"array[{one}, {two}]", lambda: f"f(name := {one})", lambda: f"exists(select {one})",
        ]  # fmt: skip
        return self._random.choice(shapes)()

    def _set_query(self, depth: int) -> str:
        query = self._select(depth)
        if self._random.random() < 0.15:
            operator = self._one(["union all", "union", "union distinct", "intersect", "except", "union all by name"])
            query = f"{query} {operator} {self._select(depth)}"
        elif self._random.random() < 0.05:
            query = f"({query}){self._maybe('limit 3', 0.5)}"
        return query

    def _table(self, depth: int) -> str:
        if depth > 0 and self._random.random() < 0.3:
            return self._one([f"({self._set_query(depth - 1)}) as t", f"({self._set_query(depth - 1)})",
                              "(values (1, 2), (3, 4)) as v(a, b)", "numbers(3)", "{table}"])  # fmt: skip
        sample = self._maybe("sample " + self._one(["1", "0.1", "1/10", "1/10 offset 1/2", "10 %"]), 0.05)
        return (
            self._one(["events", "events e", "events as e", "system.x", "persons"])
            + self._maybe("final", 0.05)
            + sample
        )

    def _from(self, depth: int) -> str:
        text = self._table(depth)
        for _ in range(self._random.choice([0, 0, 0, 1, 2])):
            on = self._one([f"on {self._expr(1)}", "using (a)", "using a, b", "on a = b", ""])
            text += f" {self._one(_JOINS)} {self._table(depth)} {on}".rstrip() if self._random.random() < 0.8 else ", f"
        if self._random.random() < 0.03:
            text += self._one(
                [" pivot (count() for event in ('a', 'b'))", " unpivot (v for k in (a, b))", " cross join g"]
            )
        return text

    def _order(self, depth: int) -> str:
        tail = self._maybe(self._one(["asc", "desc"])) + self._maybe("nulls " + self._one(["first", "last"]), 0.1)
        fill = self._maybe("with fill" + self._maybe("from 1 to 5 step 2", 0.5), 0.05)
        return f"{self._expr(depth)}{tail}{self._maybe(chr(99) + 'ollate ' + repr('en'), 0.03)}{fill}"

    def _select(self, depth: int) -> str:
        items = ", ".join(
            [
                self._one([self._expr(depth), self._expr(depth), f"{self._expr(depth)} as c", f"{self._expr(1)} c",
                           "*", "e.*", "* exclude (a)", f"total: {self._expr(1)}"])
                for _ in range(self._random.randint(1, 3))
            ]
        )  # fmt: skip
        ctes = self._one(["with q as (select 1) ", "with 1 as one ", "with recursive q as (select 1) "])
        text = f"{ctes if self._random.random() < 0.08 else ''}select{self._maybe('distinct', 0.08)} {items}"
        text += self._maybe(f"from {self._from(depth)}", 0.85)
        text += self._maybe(f"array join {self._expr(1)} as z", 0.04) + self._maybe(f"prewhere {self._expr(1)}", 0.03)
        text += self._maybe(f"where {self._expr(depth)}", 0.5)
        keys = [self._list(1), "all", "rollup(a, b)", "cube(a)", "grouping sets ((a), (b), ())", "a with totals"]
        text += self._maybe(f"group by {self._one([keys[0], keys[0], *keys])}", 0.25)
        text += self._maybe(f"having {self._expr(1)}", 0.08) + self._maybe(f"qualify {self._expr(1)}", 0.03)
        text += self._maybe("window w as (partition by a order by b)", 0.04)
        text += self._maybe(f"order by {self._order(1)}", 0.3)
        text += self._maybe("limit " + self._one(["1 by a", "1, 3 by a", "2 offset 1 by a"]), 0.04)
        limits = ["5", "5, 10", "5 offset 2", "10 %", "5 with ties", "{n}", "1 + 1"]
        return text + self._maybe(f"limit {self._one(limits)}", 0.3) + self._maybe("settings a = 1", 0.01)


_PIECES = (
    *"'\"`\\(){}[]<>.,;:?!=-+*/%#$&@^|~\n\t\x00 09azAZ_é٣²\u200b\u2028\ufeff\U0001f600\ud800", "--", "/*", "*/", "//",
    "f'", "</", "/>", "::", "->", "?.", "||", "??", "<=>", "0x", "0b", "1e", "e9", "''", "\\x4", "null", "9" * 90,
    *(word + " " for word in _TOKENS),
)  # fmt: skip


def mutated(text: str, seed: int) -> str:
    """The text after one to six accidents: pieces lost, doubled, moved, swapped, or put in from elsewhere."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 6)):
        one, two = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
        two = min(two, one + chance.choice((1, 1, 2, 5, 20, 80)))
        match chance.randrange(6):
            case 0:
                text = text[:one] + text[two:]
            case 1:
                text = text[:one] + text[one:two] * chance.choice((2, 2, 3, 50)) + text[two:]
            case 2:
                text = text[:one] + text[two:] + text[one:two]
            case 3:
                text = text[:one] + chance.choice(_PIECES) + text[two:]
            case 4:
                text = text[:one] + "".join([chance.choice(_PIECES) for _ in range(chance.randint(1, 5))]) + text[one:]
            case _:
                text = text[:one] + text[one:two][::-1] + text[two:]
    return text
