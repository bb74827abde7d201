"""Words that the world uses, and what PostHog calls them: sources of traffic, programs that visit, languages.

The lists are short and our own: PostHog's are longer. What is missing counts as unknown.
"""


def _each(value: str, words: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), value)


_SEARCH = (
    "google bing yahoo duckduckgo baidu yandex ecosia brave ask aol naver startpage qwant kagi seznam "
    "google.com bing.com yahoo.com duckduckgo.com baidu.com yandex.ru yandex.com ecosia.org search.brave.com ask.com "
    "aol.com naver.com startpage.com qwant.com kagi.com seznam.cz"
)
_SOCIAL = (
    "facebook instagram twitter x linkedin reddit pinterest tiktok snapchat threads quora vk mastodon bluesky "
    "facebook.com m.facebook.com l.facebook.com instagram.com twitter.com x.com t.co linkedin.com lnkd.in reddit.com "
    "pinterest.com tiktok.com snapchat.com threads.net quora.com vk.com mastodon.social bsky.app news.ycombinator.com"
)
_VIDEO = (
    "youtube vimeo twitch dailymotion netflix hulu youtube.com m.youtube.com youtu.be vimeo.com twitch.tv "
    "dailymotion.com netflix.com hulu.com"
)
_SHOPPING = (
    "amazon ebay etsy aliexpress alibaba walmart shopify amazon.com ebay.com etsy.com aliexpress.com alibaba.com "
    "walmart.com shopping.google.com"
)

DOMAIN_TYPES = {
    **_each("Search", _SEARCH),
    **_each("Social", _SOCIAL),
    **_each("Video", _VIDEO),
    **_each("Shopping", _SHOPPING),
}
PAID_SOURCES = {name: f"Paid {kind}" for name, kind in DOMAIN_TYPES.items()}
ORGANIC_SOURCES = {
    **{name: f"Organic {kind}" for name, kind in DOMAIN_TYPES.items()},
    **_each("Email", "email e-mail newsletter mailchimp sendgrid"),
    **_each("SMS", "sms"),
}
PAID_MEDIUMS = {
    **_each("Paid Search", "cpc ppc sem paid-search paidsearch"),
    **_each("Paid Social", "paid-social paidsocial"),
    **_each("Paid Video", "paid-video paidvideo"),
    **_each("Display", "cpm display banner interstitial expandable"),
    **_each("Paid Unknown", "cpv cpa retargeting paid"),
}
ORGANIC_MEDIUMS = {
    **_each("Organic Social", "social social-network social-media sm"),
    **_each("Organic Search", "organic"),
    **_each("Organic Video", "video"),
    **_each("Email", "email e-mail e_mail newsletter"),
    **_each("Affiliate", "affiliate affiliates partner partners"),
    **_each("Referral", "referral app link"),
    **_each("Audio", "audio podcast"),
    **_each("SMS", "sms"),
    **_each("Push", "push mobile notification"),
}

# pattern, type of traffic, category, name, operator; the first pattern that is found counts
BOTS = (
    ("gptbot", "AI Agent", "ai_crawler", "GPTBot", "OpenAI"),
    ("chatgpt-user", "AI Agent", "ai_assistant", "ChatGPT-User", "OpenAI"),
    ("oai-searchbot", "AI Agent", "ai_search", "OAI-SearchBot", "OpenAI"),
    ("claudebot|claude-web|anthropic-ai", "AI Agent", "ai_crawler", "ClaudeBot", "Anthropic"),
    ("perplexitybot", "AI Agent", "ai_search", "PerplexityBot", "Perplexity"),
    ("ccbot", "AI Agent", "ai_crawler", "CCBot", "Common Crawl"),
    ("bytespider", "AI Agent", "ai_crawler", "Bytespider", "ByteDance"),
    ("googlebot|google-inspectiontool", "Bot", "search_crawler", "Googlebot", "Google"),
    ("bingbot", "Bot", "search_crawler", "Bingbot", "Microsoft"),
    ("yandexbot", "Bot", "search_crawler", "YandexBot", "Yandex"),
    ("baiduspider", "Bot", "search_crawler", "Baiduspider", "Baidu"),
    ("duckduckbot", "Bot", "search_crawler", "DuckDuckBot", "DuckDuckGo"),
    ("applebot", "Bot", "search_crawler", "Applebot", "Apple"),
    ("facebookexternalhit|facebot", "Bot", "social_crawler", "Facebook", "Meta"),
    ("twitterbot", "Bot", "social_crawler", "Twitterbot", "X"),
    ("linkedinbot", "Bot", "social_crawler", "LinkedInBot", "LinkedIn"),
    ("slackbot", "Bot", "social_crawler", "Slackbot", "Slack"),
    ("ahrefsbot", "Bot", "seo_crawler", "AhrefsBot", "Ahrefs"),
    ("semrushbot", "Bot", "seo_crawler", "SemrushBot", "Semrush"),
    ("uptimerobot|pingdom|statuscake", "Automation", "monitoring", "Monitoring", ""),
    ("headlesschrome|phantomjs|puppeteer|playwright|selenium", "Automation", "headless_browser", "Headless", ""),
    ("curl/|wget/|python-requests|python-httpx|go-http-client|axios/|okhttp", "Automation", "http_client", "HTTP", ""),
    ("bot[^a-z]|crawler|spider|slurp", "Bot", "other", "Other", ""),
)

LANGUAGES = dict(
    entry.split("=")
    for entry in (
        "ar=Arabic bg=Bulgarian bn=Bengali cs=Czech da=Danish de=German el=Greek en=English es=Spanish et=Estonian "
        "fa=Persian fi=Finnish fr=French he=Hebrew hi=Hindi hr=Croatian hu=Hungarian id=Indonesian it=Italian "
        "ja=Japanese ko=Korean lt=Lithuanian lv=Latvian ms=Malay nb=Norwegian nl=Dutch no=Norwegian pl=Polish "
        "pt=Portuguese ro=Romanian ru=Russian sk=Slovak sl=Slovenian sr=Serbian sv=Swedish ta=Tamil te=Telugu th=Thai "
        "tr=Turkish uk=Ukrainian ur=Urdu vi=Vietnamese zh=Chinese"
    ).split()
)
