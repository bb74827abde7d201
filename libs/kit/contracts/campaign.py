"""The parameters of an address that say which campaign brought somebody: PostHog's list, for persons and sessions."""

#: Columns of raw_sessions, in this order: it is part of a migration that has run.
OF_SESSIONS = (
    "utm_source",
    "utm_campaign",
    "utm_medium",
    "utm_term",
    "utm_content",
    "gclid",
    "gad_source",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "msclkid",
    "twclid",
    "li_fat_id",
    "mc_cid",
    "igshid",
    "ttclid",
    "epik",
    "qclid",
    "sccid",
    "_kx",
    "irclid",
)
#: What an event tells of its person, by its own name and as `$initial_...`.
OF_PERSONS = (*OF_SESSIONS, "utm_name", "rdt_cid")
