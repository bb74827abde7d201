"""What becomes of the properties of ordinary events, decided once for all that have the same names.

Most events tell nothing new: no `$set` of their own, and a person who has all that they say of a browser already. What
the rules of `properties.py` make of such an event follows from its names. So they are asked once, about an event whose
values are marks; where the marks come to stand is a Layout, which `RowBlock` follows for every event of this form. An
event whose values matter has no form, and goes the way of all others.
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
from services.cdp.ingestion.properties import PERSON_KEYS, PERSONAL_EVENTS, WITHOUT_AUTOMATIC, Dropped, normalised

#: Events with rules of their own.
WITH_RULES = frozenset({IDENTIFY, "$$client_ingestion_warning", "$$plugin_metrics"}).union(
    AI_EVENTS, MERGES, PERSONAL_EVENTS, WITHOUT_AUTOMATIC, NEVER_UPDATES, ALWAYS_WRITTEN
)
# names whose values a rule looks into
_LOOKED_INTO = frozenset({*PERSON_KEYS, "$groups", "$elements"})
_CHAIN, _SESSION = "$elements_chain", "$session_id"
# names of which a rule asks whether they are true
_ASKED = ("$is_server", "$process_person_profile")
_ANSWERS = frozenset({b"true", b"false"})
_IP, _SENT_AT = "#ip", "#sent_at"

Answers = Mapping[str, bytes]


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
    """The forms of one Shape, by the answers to what rules ask of it."""

    __slots__ = ("_asked", "_decide", "_known")

    def __init__(self, asked: tuple[str, ...], decide: Callable[[Answers], Form | None]):
        self._asked, self._decide = asked, decide
        self._known: dict[tuple[bytes | None, ...], Form | None] = {}

    def of(self, properties: Members) -> Form | None:
        """That of these properties."""
        answers = tuple([properties.raw(name) for name in self._asked])
        if answers in self._known:
            return self._known[answers]
        if not _ANSWERS.issuperset(answers):
            return None
        said = {name: answer for name, answer in zip(self._asked, answers, strict=True) if answer}
        found = self._known[answers] = self._decide(said)
        return found


def form_of(event: Incoming, anonymize_ips: bool) -> Form | None:
    """The form of an event; None when it is no ordinary one."""
    if event.event in WITH_RULES or event.force_personless:
        return None
    decide = _DECISIONS[(4 if anonymize_ips else 0) + (2 if event.sent_at else 0) + (1 if event.ip else 0)]
    found = event.properties.shape.decision(decide)
    if isinstance(found, _Forms):
        forms = found
        return forms.of(event.properties)
    return found


def _decided(shape: Shape, *, ip: bool, sent_at: bool, anonymize_ips: bool) -> Form | _Forms | None:
    names = frozenset(shape.names)
    if not shape.shared or not names.isdisjoint(_LOOKED_INTO) or names.issuperset(("$os", "$os_name")):
        return None
    decide = partial(_form, shape, ip=ip, sent_at=sent_at, anonymize_ips=anonymize_ips)
    asked = tuple(name for name in _ASKED if name in names)
    return _Forms(asked, decide) if asked else decide({})


# by ip, sent_at and anonymize_ips: 1, 2 and 4 if so
_DECISIONS = tuple(
    partial(_decided, ip=bool(number & 1), sent_at=bool(number & 2), anonymize_ips=bool(number & 4))
    for number in range(8)
)


def _form(shape: Shape, answers: Answers, *, ip: bool, sent_at: bool, anonymize_ips: bool) -> Form | None:
    marks = {name: answers.get(name) or b'"#%d"' % place for place, name in enumerate(shape.names)}
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
    said = normalised(marked, anonymize_ips=anonymize_ips)
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
        if name in ("$set", "$set_once"):
            row.append((name, FROM_SET if name == "$set" else FROM_SET_ONCE))
        elif name != _CHAIN:  # it becomes a column
            row.append((name, place_of.get(value, value)))
    latest, first = ([(name_of[bytes(raw)], name) for name, raw in part.items()] for part in (said.set, said.set_once))
    for source, name in (*latest, *first):
        sources[name] = (*sources.get(name, ()), source)
    layout = Layout(shape, row, latest, first, NOISY, _SESSION, _CHAIN)
    return Form(layout, said.properties.shape.digest, said.set.shape.digest + said.set_once.shape.digest, sources)
