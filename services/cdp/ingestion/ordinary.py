"""What becomes of the properties of ordinary events, decided once for all that have the same names.

Most events tell nothing new: no `$set` of their own, and a person who has all that they say of a browser already. What
the rules of `properties.py` make of such an event follows from its names. So they are asked once, about an event whose
values are marks; where the marks come to stand is a Layout, which `RowBlock` follows for every event of this form. An
event whose values matter has no form, and goes the way of all others.

An event that says something of its person, in `$set` or because the person lacks what it says of a browser, has a form
as well (`said_of`), by the names in `$set` and `$set_once`, too. See docs/adr/0043.
"""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from libs.fastpath import FROM_IP, FROM_SENT_AT, FROM_SET, FROM_SET_ONCE, Layout, Members, Shape, members_of
from libs.kit.contracts.ai_events import NAMES as AI_EVENTS
from libs.kit.eventlog import Record
from services.cdp.ingestion.groups import IDENTIFY
from services.cdp.ingestion.merging import MERGES
from services.cdp.ingestion.parse import Incoming
from services.cdp.ingestion.persons import ALWAYS_WRITTEN, NEVER_UPDATES, NOISY
from services.cdp.ingestion.properties import PERSONAL_EVENTS, WITHOUT_AUTOMATIC, Dropped, Normalised, normalised

#: Events with rules of their own.
WITH_RULES = frozenset({IDENTIFY, "$$client_ingestion_warning", "$$plugin_metrics"}).union(
    AI_EVENTS, MERGES, PERSONAL_EVENTS, WITHOUT_AUTOMATIC, NEVER_UPDATES, ALWAYS_WRITTEN
)
# those that have such about more than their person
_WITH_OTHER_RULES = frozenset({IDENTIFY, "$$client_ingestion_warning", "$$plugin_metrics"}).union(
    AI_EVENTS, WITHOUT_AUTOMATIC
)
# names whose values a rule looks into
_LOOKED_INTO = frozenset({"$unset", "$groups", "$elements"})
_SET, _SET_ONCE = "$set", "$set_once"
_CHAIN, _SESSION = "$elements_chain", "$session_id"
# names of which a rule asks whether they are true
_ASKED = ("$is_server", "$process_person_profile")
_ANSWERS = frozenset({b"true", b"false"})
_IP, _SENT_AT = "#ip", "#sent_at"

#: Of one Shape: what a sender says of persons may have other names each time.
MAX_FORMS = 64

Answers = Mapping[str, bytes]
Given = tuple[Shape | None, Shape | None]


class Form:
    """What ordinary events of one Shape have in common.

    own, theirs: digests of the names that they define, as `definitions.py` has them. sources: by each of those names,
    the properties of the event whose values it takes.
    """

    __slots__ = ("layout", "own", "sources", "theirs")

    def __init__(self, layout: Layout, own: bytes, theirs: bytes, sources: Mapping[str, tuple[str, ...]]):
        self.layout = layout
        self.own = own
        self.theirs = theirs
        self.sources = sources


class _Forms:
    """The forms of one Shape, by the answers to what rules ask of it, and by the names in what it says of its person.

    latest, first: whether it does, in `$set` and in `$set_once`.
    """

    __slots__ = ("_asked", "_decide", "_known", "first", "latest")

    def __init__(
        self, asked: tuple[str, ...], latest: bool, first: bool, decide: Callable[[Answers, Given], Form | None]
    ):
        self._asked, self._decide = asked, decide
        self.latest, self.first = latest, first
        self._known: dict[tuple[object, ...], Form | None] = {}

    def of(self, properties: Members, latest: Shape | None, first: Shape | None) -> Form | None:
        """That of these properties."""
        key = (latest, first, *[properties.raw(name) for name in self._asked])
        if key in self._known:
            return self._known[key]
        answers = key[2:]
        if not _ANSWERS.issuperset(answers):
            return None
        said = {name: answer for name, answer in zip(self._asked, answers, strict=True) if isinstance(answer, bytes)}
        if len(self._known) >= MAX_FORMS:
            self._known.clear()
        found = self._known[key] = self._decide(said, (latest, first))
        return found


def form_of(event: Incoming, anonymize_ips: bool) -> Form | None:
    """The form of an event; None when it is no ordinary one."""
    if event.event in WITH_RULES or event.force_personless:
        return None
    found = _of_shape(event, anonymize_ips)
    if isinstance(found, _Forms):
        forms = found
        return None if forms.latest or forms.first else forms.of(event.properties, None, None)
    return found


def said_of(event: Incoming, anonymize_ips: bool) -> Normalised | None:
    """What an event says, which may well be news of its person; None when it has no form, or one that does not suit
    it."""
    if event.event in _WITH_OTHER_RULES or event.force_personless:
        return None
    properties, latest, first = event.properties, None, None
    found = _of_shape(event, anonymize_ips)
    if isinstance(found, _Forms):
        forms = found
        if forms.latest and ((latest := properties.inner(_SET)) is None or not latest.shape.shared):
            return None
        if forms.first and ((first := properties.inner(_SET_ONCE)) is None or not first.shape.shared):
            return None
        form = forms.of(properties, None if latest is None else latest.shape, None if first is None else first.shape)
    else:
        form = found
    if form is None or not form.layout.suits(properties):
        return None
    layout = form.layout
    said, once = properties.picked(layout.latest, latest), properties.picked(layout.first, first)
    return Normalised(properties, said, once, (), False, (), form)


def _of_shape(event: Incoming, anonymize_ips: bool) -> Form | _Forms | None:
    decide = _DECISIONS[(4 if anonymize_ips else 0) + (2 if event.sent_at else 0) + (1 if event.ip else 0)]
    return event.properties.shape.decision(decide)


def _decided(shape: Shape, *, ip: bool, sent_at: bool, anonymize_ips: bool) -> Form | _Forms | None:
    names = frozenset(shape.names)
    if not shape.shared or not names.isdisjoint(_LOOKED_INTO) or names.issuperset(("$os", "$os_name")):
        return None
    decide = partial(_form, shape, ip=ip, sent_at=sent_at, anonymize_ips=anonymize_ips)
    asked = tuple(name for name in _ASKED if name in names)
    latest, first = _SET in names, _SET_ONCE in names
    return _Forms(asked, latest, first, decide) if asked or latest or first else decide({}, (None, None))


# by ip, sent_at and anonymize_ips: 1, 2 and 4 if so
_DECISIONS = tuple(
    partial(_decided, ip=bool(number & 1), sent_at=bool(number & 2), anonymize_ips=bool(number & 4))
    for number in range(8)
)


def _form(shape: Shape, answers: Answers, given: Given, *, ip: bool, sent_at: bool, anonymize_ips: bool) -> Form | None:
    marks = {name: answers.get(name) or b'"#%d"' % place for place, name in enumerate(shape.names)}
    inner = [_marks_of(part, which) for part, which in zip(given, (b"s", b"o"), strict=True)]
    for name, part in zip((_SET, _SET_ONCE), inner, strict=True):
        if name in marks:
            # with a blank, which is gone when the rules have written it anew
            marks[name] = members_of(part).encoded().replace(b"{", b"{ ", 1)
    marked = Incoming(
        record=Record("", 0, 0, None, b"", (), 0),
        uuid="",
        event="",
        distinct_id="",
        token="",
        ip=_IP if ip else "",
        timestamp=None,
        now=None,
        sent_at=_SENT_AT if sent_at else None,
        properties=members_of(marks),
        force_personless=False,
        historical_migration=False,
    )
    said = normalised(marked, anonymize_ips)
    if isinstance(said, Dropped) or said.personless or said.warnings:
        return None
    name_of = {mark: name for name, mark in marks.items() if name not in answers}
    place_of = {mark: place for place, mark in enumerate(marks.values()) if mark in name_of}
    place_of |= {msgspec.json.encode(_IP): FROM_IP, msgspec.json.encode(_SENT_AT): FROM_SENT_AT}
    row: list[tuple[str, int | bytes]] = []
    sources: dict[str, tuple[str, ...]] = {}
    for name, raw in said.properties.items():
        value = bytes(raw)
        sources[name] = (name_of[value],) if value in name_of else ()
        if name in (_SET, _SET_ONCE) and value not in place_of:
            row.append((name, FROM_SET if name == _SET else FROM_SET_ONCE))
        elif name != _CHAIN:  # it becomes a column
            row.append((name, place_of.get(value, value)))
    latest, first = (
        [(None if part.get(name) == raw else name_of[bytes(raw)], name) for name, raw in whole.items()]
        for whole, part in zip((said.set, said.set_once), inner, strict=True)
    )
    for source, name in (*latest, *first):
        sources[name] = (*sources.get(name, ()), *([] if source is None else [source]))
    layout = Layout(shape, row, latest, first, NOISY, _SESSION, _CHAIN, *given)
    return Form(layout, said.properties.shape.digest, said.set.shape.digest + said.set_once.shape.digest, sources)


def _marks_of(part: Shape | None, which: bytes) -> dict[str, msgspec.Raw]:
    names = part.names if part is not None else ()
    return {name: msgspec.Raw(b'"#%s%d"' % (which, place)) for place, name in enumerate(names)}
