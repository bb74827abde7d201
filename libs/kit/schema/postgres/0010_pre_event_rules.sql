-- What a project does not want stored: events that a filter matches, and events without properties that they must have.

-- One filter a project, PostHog's table. filter_tree: see libs/kit/event_filters.py.
CREATE TABLE posthog_eventfilterconfig (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id bigint NOT NULL UNIQUE REFERENCES posthog_team (id) ON DELETE CASCADE,
    mode varchar(20) NOT NULL DEFAULT 'disabled' CHECK (mode IN ('disabled', 'dry_run', 'live')),
    filter_tree jsonb,
    test_cases jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A property that every event of this name must have, readable as one of these types.
CREATE TABLE hedgerow_required_property (
    team_id bigint NOT NULL REFERENCES posthog_team (id) ON DELETE CASCADE,
    event varchar(400) NOT NULL,
    property varchar(400) NOT NULL,
    property_types text[] NOT NULL,
    PRIMARY KEY (team_id, event, property)
);
