"""What a project does not want stored: its filter of events (PostHog's API), and properties that events must have (our
own). Ingestion reads both with the project, so a change holds within `HEDGEROW_INGESTION_TEAM_CACHE_SECONDS`."""
