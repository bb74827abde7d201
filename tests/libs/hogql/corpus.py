"""Queries made from the grammar (grammar.txt), some of them broken afterwards: what two parsers are compared on.

The same seed gives the same queries.
"""

import random
import re
from collections import Counter
from pathlib import Path

Rules = dict[str, tuple[list[str], list[int]]]


def _rules(text: str) -> Rules:
    found: Rules = {}
    for rule, body in re.findall(r"^(\w+):((?: +.*\n)+)", text, re.MULTILINE):
        parts = [part.split(None, 1) for part in re.split(r" \| |\n +(?=\d+ )", body.strip())]
        found[rule] = [" ".join(part[1].split()) for part in parts], [int(part[0]) for part in parts]
    return found


RULES = _rules(Path(__file__).with_name("grammar.txt").read_text())
_REFERENCE = re.compile(r"@([a-z_]+)([+*]|\?(?!\.)(\d*))?")
_AT_THE_BOTTOM = {"expr": "value", "set_query": "short"}  # instead of these, once deep enough
_SPACES = ["\n", "\t", "  ", "\u00a0", "\u2003", "\ufeff", " /* it's */ ", " -- c\n", " // c'\n", " # c\n"]
_TOKENS = (
    "select from where group by order limit offset union all as on using join ( ) [ ] { } , . ; : :: -> ? ?. ?? = < > "
    "+ - * / % || ~ and or not in is null between case when then else end with distinct over having 1 'x' x y interval "
    "day cast array final sample top ties fill first last nulls values exclude columns replace filter within ignore "
    "pivot unpivot natural lateral window rows range current row preceding qualify prewhere settings try_cast recursive"
).split()


class Corpus:
    """An endless source of texts. `made` counts the alternatives of each rule that were taken."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)
        self.made: Counter[tuple[str, str]] = Counter()

    def text(self) -> str:
        """One query; every fourth is broken by a change or two, every eighth spaced and spelled otherwise."""
        query = self._expanded("query", 3)
        if self._random.random() < 0.25:
            query = self._broken(query)
        return self._respelled(query) if self._random.random() < 0.12 else query

    def _expanded(self, rule: str, depth: int) -> str:
        if rule in _AT_THE_BOTTOM:
            depth -= 1
            rule = _AT_THE_BOTTOM[rule] if depth < 0 else rule
        alternatives, weights = RULES[rule]
        (taken,) = self._random.choices(alternatives, weights)
        self.made[rule, taken] += 1
        text = _REFERENCE.sub(lambda found: self._reference(found, depth), taken)
        return re.sub(" +", " ", text).strip()

    def _reference(self, found: re.Match[str], depth: int) -> str:
        rule, how, chance = found.groups()
        if how in ("+", "*"):
            items = [self._expanded(rule, depth) for _ in range(self._random.choice((1, 1, 2, 3)))]
            return ", ".join(items) + ("," if how == "+" and self._random.random() < 0.06 else "")
        if how is not None and self._random.random() >= int(chance or 25) / 100:
            return ""
        return self._expanded(rule, depth)

    def _respelled(self, text: str) -> str:
        if self._random.random() < 0.3:
            text = re.sub(r" (?=[(),.\]\[}])|(?<=[(,\[{]) ", "", text)
        if self._random.random() < 0.5:
            text = re.sub("[a-z]+", lambda word: self._random.choice((word[0], word[0].upper(), word[0].title())), text)
        chance = self._random.choice((0, 0.1, 0.5))
        return re.sub(" ", lambda _: self._one(_SPACES) if self._random.random() < chance else " ", text)

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
