"""What people do: a story is a visitor and, if the visit led that far, their organisation and teammates. Pure.

A story is a function of (seed, number, day of `now`) alone, cut off at `now`. Its events are in time order, and each
is what an SDK sends: {"event","distinct_id","uuid","timestamp","properties"[,"$set"][,"$set_once"]}.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hedgerow.demo import company
from hedgerow.demo.people import (
    Organisation,
    Person,
    arrival,
    arrival_weights,
    daytime,
    new_organisation,
    new_person,
    uuid7,
    weighted,
)

Event = dict[str, Any]
MOST_TEAMMATES = 8


@dataclass
class Browser:
    """A person's browser, with the SDK in it: knows who is signed in and stamps events."""

    person: Person
    rng: random.Random
    events: list[Event]
    organisation: Organisation | None = None
    identified: bool = False
    seen_before: bool = False
    at: datetime = field(default_factory=lambda: datetime.min)
    session: dict[str, str] = field(default_factory=dict)
    previous_path: str | None = None

    def begin(self, moment: datetime) -> None:
        """A new session."""
        self.at = moment
        self.previous_path = None
        self.session = {"$session_id": uuid7(moment, self.rng), "$window_id": uuid7(moment, self.rng)}

    def pause(self, low: float, high: float) -> None:
        """Seconds go by."""
        self.at += timedelta(milliseconds=int(self.rng.uniform(low, high) * 1000))

    @property
    def distinct_id(self) -> str:
        """What the SDK calls the person now."""
        return self.person.user_id if self.identified else self.person.anonymous_id

    def capture(self, event: str, url: str, properties: dict[str, Any] | None = None, **root: Any) -> None:
        """Record an event on a page."""
        host, _, path = url.removeprefix("https://").partition("/")
        self.events.append(
            {
                "event": event,
                "distinct_id": self.distinct_id,
                "uuid": uuid7(self.at, self.rng),
                "timestamp": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "properties": {
                    **self._surroundings(),
                    "$current_url": url,
                    "$host": host,
                    "$pathname": f"/{path.partition('?')[0]}",
                    **(properties or {}),
                },
                **root,
            }
        )

    def pageview(self, url: str, title: str) -> None:
        """Open a page; the very first carries how the person came."""
        first: dict[str, Any] = {}
        if not self.seen_before:
            self.seen_before = True
            channel = self.person.channel
            source = {"$referrer": channel.referrer, "$referring_domain": channel.domain, **dict(channel.utm)}
            first["$set_once"] = {f"$initial_{name.removeprefix('$')}": value for name, value in source.items()}
            first["$set_once"]["$initial_current_url"] = url
        properties = {"title": title}
        if self.previous_path is not None:
            properties["$prev_pageview_pathname"] = self.previous_path
        self.capture("$pageview", url, properties, **first)
        self.previous_path = "/" + url.removeprefix("https://").partition("/")[2].partition("?")[0]

    def click(self, url: str, text: str, tag: str = "button") -> None:
        """Autocapture of a click."""
        chain = f'{tag}.btn:attr__class="btn"nth-child="1"nth-of-type="1"text="{text}";div:nth-child="2"nth-of-type="1"'
        clicked = {"$event_type": "click", "$ce_version": 1, "$el_text": text, "$elements_chain": chain}
        self.capture("$autocapture", url, clicked)

    def _surroundings(self) -> dict[str, Any]:
        person, device, country = self.person, self.person.device, self.person.country
        width, height = device.screen
        properties: dict[str, Any] = {
            "$lib": "web",
            "$lib_version": "1.449.0",
            "$device_id": person.anonymous_id,
            **self.session,
            "$os": device.os,
            "$os_version": device.os_version,
            "$browser": device.browser,
            "$browser_version": device.browser_version,
            "$browser_language": country.language,
            "$device_type": device.type,
            "$screen_width": width,
            "$screen_height": height,
            "$viewport_width": width,
            "$viewport_height": height - 120,
            "$timezone": country.timezone,
            "$geoip_country_code": country.code,
            "$geoip_country_name": country.name,
            "$geoip_city_name": country.city,
            "$referrer": person.channel.referrer,
            "$referring_domain": person.channel.domain,
            "$is_identified": self.identified,
            "$process_person_profile": self.identified,
        }
        if self.identified:
            properties["$user_id"] = person.user_id
            properties[f"$feature/{company.FLAG}"] = person.variant
        else:
            properties.update(person.channel.utm)
        if self.organisation:
            properties["$groups"] = {"organisation": self.organisation.key}
        return properties


def stories(seed: int, now: datetime) -> Iterator[list[Event]]:
    """Stories without end; every one that has an event by `now`."""
    start = now - timedelta(days=company.DAYS)
    weights = arrival_weights(start)
    number = 0
    while True:
        if events := story(seed, number, start, now, weights):
            yield events
        number += 1


def story(seed: int, number: int, start: datetime, now: datetime, weights: list[float]) -> list[Event]:
    """One visitor and all that follows."""
    rng = random.Random(f"{seed}:{number}:{start.date()}")  # noqa: S311  # the same story twice must be the same
    country = weighted(rng, company.COUNTRIES)
    arrives = arrival(rng, start, weights, country)
    organisation = new_organisation(rng)
    founder = Browser(new_person(rng, arrives, country, organisation), rng, [])
    founder.begin(arrives)
    look_around(founder)
    if rng.random() < company.SIGNS_UP * founder.person.channel.quality:
        sign_up(founder, organisation, role="owner")
        become_customers(founder, organisation, now)
    elif rng.random() < 0.25:  # comes back to look once more
        founder.begin(daytime(rng, founder.at + timedelta(days=rng.randint(1, 12)), country))
        look_around(founder)
    told = [(event["timestamp"], event) for event in founder.events]
    told.sort(key=lambda pair: pair[0])
    first, last = start.isoformat(), now.isoformat()
    return [event for timestamp, event in told if first <= timestamp < last]


def look_around(browser: Browser) -> None:
    """A visit to the site: most leave after a page or two."""
    rng, channel = browser.rng, browser.person.channel
    query = "&".join(f"{name}={value}" for name, value in channel.utm)
    url = company.SITE + channel.landing + (f"?{query}" if query and not browser.seen_before else "")
    browser.pageview(url, "Fernboard: plans everybody can see")
    while rng.random() < 0.5:
        browser.pause(4, 70)
        page = rng.choice(company.MARKETING_PAGES)
        if rng.random() < 0.4:
            browser.click(url, page.strip("/").title() or "Home", tag="a")
        url = company.SITE + page
        browser.pageview(url, f"Fernboard {page}")
    browser.pause(3, 90)
    browser.capture("$pageleave", url)


def sign_up(browser: Browser, organisation: Organisation, *, role: str) -> None:
    """From visitor to user: the SDK joins what came before to the person."""
    person, url = browser.person, f"{company.SITE}/signup"
    browser.pause(3, 30)
    browser.pageview(url, "Create your workspace")
    browser.capture("signup started", url, {"method": browser.rng.choice(("email", "google", "github"))})
    browser.pause(20, 150)
    browser.click(url, "Create account")
    browser.identified = True
    browser.organisation = organisation
    who = {
        "email": person.user_id,
        "name": person.name,
        "role": role,
        "plan": "free",
        "organisation": organisation.name,
        "country": person.country.code,
    }
    browser.capture(
        "$identify",
        url,
        {"$anon_distinct_id": person.anonymous_id},
        **{"$set": who, "$set_once": {"signed_up_at": browser.at.date().isoformat()}},
    )
    browser.capture("signed up", url, {"role": role})
    about = {
        "name": organisation.name,
        "industry": organisation.industry,
        "employees": organisation.employees,
        "plan": "free",
    }
    browser.capture(
        "$groupidentify",
        url,
        {"$group_type": "organisation", "$group_key": organisation.key, "$group_set": about},
    )


def become_customers(founder: Browser, organisation: Organisation, now: datetime) -> None:
    """What follows a sign-up: a first board, teammates, a paid plan; or nothing."""
    rng, url = founder.rng, f"{company.APP}/boards"
    founder.pause(5, 40)
    founder.pageview(url, "Your boards")
    if rng.random() >= company.ACTIVATES[founder.person.variant]:
        keep_coming(founder, now, company.STAYS_OTHERS)
        return
    founder.pause(10, 200)
    founder.click(url, "New board")
    founder.capture("board created", url, {"template": rng.choice(("blank", "sprint", "roadmap")), "first": True})
    invites = rng.random() < company.INVITES
    if invites:
        invite_teammates(founder, organisation, now)
    chance = company.UPGRADES_AFTER_INVITE if invites else company.UPGRADES_ALONE
    keep_coming(founder, now, company.STAYS_ACTIVATED, upgrades=rng.random() < chance)


def invite_teammates(founder: Browser, organisation: Organisation, now: datetime) -> None:
    """Some of the invited come, with browsers and habits of their own."""
    rng = founder.rng
    for _ in range(rng.randint(1, min(MOST_TEAMMATES, organisation.employees + 1))):
        founder.pause(15, 90)
        founder.capture("invite sent", f"{company.APP}/settings/members", {"role": "member"})
        if rng.random() < 0.35:
            continue
        joins = daytime(rng, founder.at + timedelta(days=rng.choice((0, 1, 1, 2, 4, 9))), founder.person.country)
        joins = max(joins, founder.at + timedelta(minutes=10))
        mate = Browser(new_person(rng, joins, founder.person.country, organisation), rng, founder.events)
        mate.begin(joins)
        mate.pageview(f"{company.APP}/join", "Join your team")
        sign_up(mate, organisation, role="member")
        mate.capture("teammate joined", f"{company.APP}/boards")
        keep_coming(mate, now, company.STAYS_ACTIVATED)


def keep_coming(browser: Browser, now: datetime, stays: tuple[float, float], *, upgrades: bool = False) -> None:
    """Sessions, day by day, until the person has had enough."""
    rng, country = browser.rng, browser.person.country
    scale, shape = stays
    lifetime = scale * ((1 - rng.random()) ** (-1 / shape) - 1)
    upgrade_day = rng.randint(2, 25) if upgrades else None
    if upgrade_day is not None:  # who pays has stayed, and goes on for a while
        lifetime = max(lifetime, upgrade_day + rng.expovariate(1 / 40))
    joined = browser.at
    for day in range(1, company.DAYS):
        date = joined + timedelta(days=day)
        if day > lifetime or date > now:
            return
        if rng.random() < company.ACTIVE_ON[date.weekday()] or day == upgrade_day:
            browser.begin(daytime(rng, date, country))
            use_the_product(browser)
            if day == upgrade_day:
                upgrade(browser)


def use_the_product(browser: Browser) -> None:
    """One session in the app."""
    rng = browser.rng
    browser.pageview(f"{company.APP}/boards", "Your boards")
    names, weights = [action[:3] for action in company.APP_ACTIONS], [action[3] for action in company.APP_ACTIONS]
    for event, page, button in rng.choices(names, weights, k=1 + int(rng.expovariate(0.4))):
        browser.pause(3, 120)
        url = f"{company.APP}{page}"
        if f"/{browser.previous_path}".strip("/") != page.strip("/"):
            browser.pageview(url, page.strip("/").title())
        if button and rng.random() < 0.5:
            browser.click(url, button)
        browser.capture(event, url, {"count": rng.randint(1, 5)})
    if rng.random() < 0.6:
        browser.pause(2, 60)
        browser.capture("$pageleave", f"{company.APP}/boards")


def upgrade(browser: Browser) -> None:
    """From free to paid."""
    rng, url = browser.rng, f"{company.APP}/settings/billing"
    [plan] = rng.choices(tuple(company.PLANS), company.PLAN_WEIGHTS)
    browser.pause(10, 100)
    browser.pageview(url, "Billing")
    browser.pause(20, 200)
    browser.click(url, "Upgrade")
    paid = {"plan": plan, "amount": company.PLANS[plan], "currency": "USD", "interval": "month"}
    browser.capture("plan upgraded", url, paid, **{"$set": {"plan": plan}})
    if browser.organisation:
        about = {"$group_type": "organisation", "$group_key": browser.organisation.key, "$group_set": {"plan": plan}}
        browser.capture("$groupidentify", url, about)
