"""The company of the demo: Fernboard, which sells shared planning boards. Facts and weights only."""

from dataclasses import dataclass

DAYS = 90
SITE = "https://fernboard.example"
APP = "https://app.fernboard.example"

GROWTH = 2.6  # how much busier the last day is than the first
WEEKDAYS = (1.0, 1.08, 1.05, 1.0, 0.82, 0.34, 0.38)  # Monday first: visits, against a plain Monday

# The funnel: of those who reached the step before, how many take this one.
SIGNS_UP = 0.13
ACTIVATES = {"control": 0.52, "checklist": 0.66}  # by variant of the flag below
INVITES = 0.42
UPGRADES_AFTER_INVITE, UPGRADES_ALONE = 0.34, 0.08
FLAG = "onboarding-checklist"

# How long a person stays: P(still here after d days) = (1 + d / SCALE) ** -SHAPE. Steep first, then flat.
STAYS_ACTIVATED = (6.0, 0.75)
STAYS_OTHERS = (0.8, 1.6)
ACTIVE_ON = (0.52, 0.56, 0.55, 0.52, 0.44, 0.09, 0.10)  # chance of a session on a day, while the person stays

PLANS = {"team": 49.0, "business": 129.0, "enterprise": 499.0}
PLAN_WEIGHTS = (70, 25, 5)


@dataclass(frozen=True, slots=True)
class Country:
    """Where somebody is: `utc_offset` in hours, good enough for the hour of a visit."""

    code: str
    name: str
    city: str
    timezone: str
    utc_offset: int
    language: str
    weight: int


COUNTRIES = (
    Country("US", "United States", "Chicago", "America/Chicago", -6, "en-US", 34),
    Country("GB", "United Kingdom", "London", "Europe/London", 0, "en-GB", 13),
    Country("DE", "Germany", "Berlin", "Europe/Berlin", 1, "de-DE", 12),
    Country("FR", "France", "Lyon", "Europe/Paris", 1, "fr-FR", 8),
    Country("IN", "India", "Bengaluru", "Asia/Kolkata", 5, "en-IN", 9),
    Country("BR", "Brazil", "São Paulo", "America/Sao_Paulo", -3, "pt-BR", 7),
    Country("CA", "Canada", "Toronto", "America/Toronto", -5, "en-CA", 6),
    Country("NL", "Netherlands", "Utrecht", "Europe/Amsterdam", 1, "nl-NL", 5),
    Country("AU", "Australia", "Melbourne", "Australia/Melbourne", 10, "en-AU", 4),
    Country("JP", "Japan", "Osaka", "Asia/Tokyo", 9, "ja-JP", 2),
)


@dataclass(frozen=True, slots=True)
class Device:
    """What somebody browses with."""

    type: str
    os: str
    os_version: str
    browser: str
    browser_version: int
    screen: tuple[int, int]
    weight: int


DEVICES = (
    Device("Desktop", "Mac OS X", "15.1.0", "Chrome", 141, (1728, 1117), 27),
    Device("Desktop", "Windows", "11", "Chrome", 141, (1920, 1080), 25),
    Device("Desktop", "Windows", "10", "Microsoft Edge", 140, (1536, 864), 8),
    Device("Desktop", "Mac OS X", "15.1.0", "Safari", 18, (1512, 982), 8),
    Device("Desktop", "Linux", "", "Firefox", 143, (1920, 1200), 6),
    Device("Mobile", "iOS", "18.6.0", "Mobile Safari", 18, (393, 852), 15),
    Device("Mobile", "Android", "15", "Chrome", 141, (412, 915), 9),
    Device("Tablet", "iOS", "18.6.0", "Safari", 18, (820, 1180), 2),
)


@dataclass(frozen=True, slots=True)
class Channel:
    """How somebody found the site. `quality` scales the chance of signing up."""

    referrer: str
    domain: str
    utm: tuple[tuple[str, str], ...]
    landing: str
    quality: float
    weight: int


CHANNELS = (
    Channel("$direct", "$direct", (), "/", 1.2, 30),
    Channel("https://www.google.com/", "www.google.com", (), "/", 1.1, 24),
    Channel("https://www.google.com/", "www.google.com", (), "/blog/kanban-without-meetings", 0.35, 14),
    Channel(
        "https://www.google.com/",
        "www.google.com",
        (("utm_source", "google"), ("utm_medium", "cpc"), ("utm_campaign", "boards-for-teams")),
        "/lp/boards-for-teams",
        1.3,
        11,
    ),
    Channel(
        "https://www.linkedin.com/",
        "www.linkedin.com",
        (("utm_source", "linkedin"), ("utm_medium", "social"), ("utm_campaign", "founder-stories")),
        "/customers",
        0.9,
        7,
    ),
    Channel("https://news.ycombinator.com/", "news.ycombinator.com", (), "/blog/why-we-left-microservices", 0.4, 6),
    Channel(
        "$direct",
        "$direct",
        (("utm_source", "newsletter"), ("utm_medium", "email"), ("utm_campaign", "monthly-digest")),
        "/features",
        1.5,
        5,
    ),
    Channel("https://github.com/", "github.com", (), "/docs/api", 1.0, 3),
)

MARKETING_PAGES = ("/", "/features", "/pricing", "/customers", "/docs", "/blog/kanban-without-meetings", "/about")
APP_ACTIONS = (  # event, page, the button pressed, weight
    ("card created", "/board", "Add card", 34),
    ("card moved", "/board", "", 30),
    ("comment added", "/board", "Comment", 16),
    ("search performed", "/search", "Search", 8),
    ("board created", "/boards", "New board", 5),
    ("report viewed", "/reports", "Run report", 5),
    ("export downloaded", "/reports", "Download CSV", 2),
)

FIRST_NAMES = (
    "Ada", "Amir", "Beatriz", "Carlos", "Chen", "Chloe", "Daniel", "Elif", "Emeka", "Eva", "Fatima", "Felix", "Grace",
    "Hana", "Hugo", "Ines", "Ivan", "Jonas", "Kavya", "Kofi", "Lars", "Lea", "Luca", "Maria", "Mei", "Mira", "Nadia",
    "Noah", "Olga", "Omar", "Priya", "Rosa", "Sam", "Sofia", "Tariq", "Tom", "Uma", "Victor", "Yuki", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Almeida", "Andersen", "Bauer", "Bello", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Gupta", "Haddad",
    "Ito", "Jansen", "Kaya", "Kim", "Kowalska", "Lopez", "Martin", "Mensah", "Moreau", "Nguyen", "Novak", "Okafor",
    "Patel", "Rossi", "Santos", "Schmidt", "Silva", "Smith", "Tanaka", "Visser", "Wagner", "Walker", "Weber", "Yilmaz",
)  # fmt: skip
ORGANISATION_WORDS = (
    ("Amber", "Blue", "Bright", "Cedar", "Clear", "Copper", "Delta", "East", "Falcon", "Granite", "Harbor", "Juniper",
     "Lumen", "Maple", "Nimbus", "North", "Ocean", "Pine", "Quartz", "River", "Summit", "Tidal", "Willow", "Zenith"),
    ("Analytics", "Bakery", "Clinic", "Consulting", "Design", "Energy", "Foods", "Freight", "Games", "Health", "Labs",
     "Learning", "Legal", "Logistics", "Media", "Robotics", "Software", "Studio", "Systems", "Travel", "Works"),
)  # fmt: skip
INDUSTRIES = ("software", "agency", "education", "healthcare", "retail", "logistics", "non-profit")
