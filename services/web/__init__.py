"""The web app: sign-in, the management JSON API of accounts and projects, live events, the pages, and what browsers
load from us (posthog-js and its configuration).

Owns the PostgreSQL tables posthog_user, posthog_organization(membership), posthog_team and posthog_personalapikey
(read by everyone through libs.kit.access), and in the `state` server `session:*`, `login_failures*` and `live:*`.
Reads the tail of `clickhouse_events_json`, without a group. Of ClickHouse it reads single events, by uuid or person:
queries are the query service's.

accounts/   users, sign-in, personal API keys      projects/   organizations, projects and their settings
live/       the newest events as they arrive       sql/        the SQL page
sdk/        what SDKs fetch: bundles, remote configuration, and an empty set of flags until the flags service answers
ai_blobs/   parts of large AI events

In a subject: routes.py is the JSON API, pages.py the HTML, both over the same service.py; repository.py is all its SQL.
"""
