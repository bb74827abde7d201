-- Cohorts, and variables of queries with their defaults.

CREATE TABLE posthog_cohort (
    id serial PRIMARY KEY,
    team_id integer NOT NULL REFERENCES posthog_team (id) ON DELETE CASCADE,
    name varchar(400),
    description varchar(1000) NOT NULL DEFAULT '',
    deleted boolean NOT NULL DEFAULT false,
    filters jsonb,
    groups jsonb NOT NULL DEFAULT '[]',
    query jsonb,
    is_static boolean NOT NULL DEFAULT false,
    -- of the last calculation whose members are all stored; pending_version: of one that is under way
    version integer,
    pending_version integer,
    count integer,
    is_calculating boolean NOT NULL DEFAULT false,
    last_calculation timestamptz,
    errors_calculating integer NOT NULL DEFAULT 0,
    last_error_at timestamptz,
    created_by_id integer REFERENCES posthog_user (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX posthog_cohort_team ON posthog_cohort (team_id);

CREATE TABLE posthog_insightvariable (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id integer NOT NULL REFERENCES posthog_team (id) ON DELETE CASCADE,
    name varchar(400) NOT NULL,
    type varchar(128) NOT NULL,
    code_name varchar(400),
    default_value jsonb,
    values jsonb,
    created_by_id integer REFERENCES posthog_user (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX posthog_insightvariable_team ON posthog_insightvariable (team_id, code_name);
