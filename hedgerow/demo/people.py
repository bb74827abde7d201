"""Who visits: people and organisations, drawn from one random stream per story. Pure."""

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TypeVar
from uuid import UUID

from hedgerow.demo import company
from hedgerow.demo.company import Channel, Country, Device

T = TypeVar("T", Country, Device, Channel)


@dataclass(frozen=True, slots=True)
class Organisation:
    """A customer; a group of type `organisation` to PostHog."""

    key: str
    name: str
    domain: str
    industry: str
    employees: int


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a browser. `anonymous_id` is what the SDK calls them before they sign up, `user_id` after."""

    anonymous_id: str
    user_id: str
    name: str
    country: Country
    device: Device
    channel: Channel
    variant: str


def uuid7(moment: datetime, rng: random.Random) -> str:
    """A UUIDv7 of that moment, its random part from `rng`."""
    milliseconds = int(moment.timestamp() * 1000)
    high = (milliseconds << 16) | 0x7000 | rng.getrandbits(12)
    return str(UUID(int=high << 64 | 0x8 << 60 | rng.getrandbits(62)))


def weighted(rng: random.Random, choices: Sequence[T]) -> T:
    """One of them, by its weight."""
    return rng.choices(choices, [choice.weight for choice in choices])[0]


def arrival_weights(start: datetime) -> list[float]:
    """Cumulative share of first visits up to and with each day: growing, with quiet weekends."""
    days = (start + timedelta(days=day) for day in range(company.DAYS))
    shares = [
        company.GROWTH ** (number / company.DAYS) * company.WEEKDAYS[day.weekday()] for number, day in enumerate(days)
    ]
    total = sum(shares)
    return [share / total for share in accumulate(shares)]


def arrival(rng: random.Random, start: datetime, weights: Sequence[float], country: Country) -> datetime:
    """When somebody first comes."""
    day = min(bisect(weights, rng.random()), company.DAYS - 1)
    return daytime(rng, start + timedelta(days=day), country)


def daytime(rng: random.Random, day: datetime, country: Country) -> datetime:
    """A moment of that day when people there are awake, most likely at work."""
    local = rng.gauss(10.5, 1.6) if rng.random() < 0.55 else rng.gauss(15.5, 2.6)
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
    hours = min(max(local, 0.0), 23.99) - country.utc_offset
    return midnight + timedelta(milliseconds=int(hours * 3_600_000))


def new_person(rng: random.Random, arrives: datetime, country: Country, organisation: Organisation | None) -> Person:
    """Somebody, of an organisation or (yet) of none."""
    first, last = rng.choice(company.FIRST_NAMES), rng.choice(company.LAST_NAMES)
    domain = organisation.domain if organisation else "mail.example"
    return Person(
        anonymous_id=uuid7(arrives, rng),
        user_id=f"{first}.{last}.{rng.getrandbits(16):04x}@{domain}".lower(),
        name=f"{first} {last}",
        country=country,
        device=weighted(rng, company.DEVICES),
        channel=weighted(rng, company.CHANNELS),
        variant=rng.choice(tuple(company.ACTIVATES)),
    )


def new_organisation(rng: random.Random) -> Organisation:
    """A customer of a plausible name."""
    one, two = (rng.choice(words) for words in company.ORGANISATION_WORDS)
    number = rng.getrandbits(20)
    return Organisation(
        key=f"org_{number:05x}",
        name=f"{one} {two}",
        domain=f"{one}-{two}-{number:05x}.example".lower(),
        industry=rng.choice(company.INDUSTRIES),
        employees=int(rng.lognormvariate(3.2, 1.1)) + 1,
    )
