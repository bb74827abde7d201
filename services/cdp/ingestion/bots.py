"""Whether a browser's own description of itself is that of a machine that reads the web by itself. No I/O."""

import re

import msgspec

from services.cdp.raw_json import text_of

AGENT = "$raw_user_agent"
# Of each the part that its operator documents. posthog-js holds such events back by itself; a site that tells it not
# to (`opt_out_useragent_filter`), or that sends from its server, gets them marked.
_KNOWN = (
    *("googlebot", "google-inspectiontool", "googleother", "adsbot-google", "mediapartners-google", "feedfetcher"),
    *("storebot-google", "apis-google", "google-extended", "google page speed", "chrome-lighthouse", "bingbot"),
    *("bingpreview", "adidxbot", "msnbot", "slurp", "duckduckbot", "duckassistbot", "baiduspider", "yandex.com/bots"),
    *("sogou", "exabot", "facebookexternalhit", "facebookcatalog", "meta-externalagent", "ia_archiver", "archive.org"),
    *("twitterbot", "linkedinbot", "slackbot", "discordbot", "telegrambot", "whatsapp/", "pinterestbot", "redditbot"),
    *("applebot", "amazonbot", "petalbot", "seznambot", "bytespider", "gptbot", "oai-searchbot", "chatgpt-user"),
    *("claudebot", "claude-user", "claude-searchbot", "anthropic-ai", "perplexitybot", "perplexity-user", "ccbot"),
    *("cohere-ai", "diffbot", "ahrefsbot", "ahrefssiteaudit", "semrushbot", "mj12bot", "dotbot", "rogerbot"),
    *("dataforseobot", "screaming frog", "siteauditbot", "serpstatbot", "sitebulb", "deepcrawl", "uptimerobot"),
    *("pingdom", "statuscake", "better uptime bot", "checkly", "datadogsynthetics", "newrelicpinger", "site24x7"),
    *("gtmetrix", "vercelbot", "vercel-screenshot", "headlesschrome", "phantomjs", "prerender", "cypress", "nuclei"),
    *(
        "zgrab",
        "censysinspect",
        "internetmeasurement",
        "python-requests",
        "scrapy",
        "go-http-client",
        "okhttp",
        "curl/",
    ),
)
_ANY = re.compile("|".join(map(re.escape, _KNOWN)))
_MAX_ANSWERS = 8192
_answers: dict[bytes, bool] = {}


def is_bot(raw: bytes) -> bool:
    """Of an AGENT as it was sent. Known ones only: a visitor with an unusual browser is a visitor."""
    found = _answers.get(raw)
    if found is None:
        if len(_answers) >= _MAX_ANSWERS:
            _answers.clear()
        found = _answers[raw] = _is_known(raw)
    return found


def _is_known(raw: bytes) -> bool:
    agent = text_of(msgspec.Raw(raw))
    return agent is not None and _ANY.search(agent[:1000].lower()) is not None
