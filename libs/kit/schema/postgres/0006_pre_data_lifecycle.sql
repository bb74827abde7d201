-- What is to be gone, and how long events stay.

-- Requests to delete, PostHog's table and numbers: deletion_type 1 is a person, key its uuid. distinct_ids are those the
-- person had, and go once the deletion is verified. told_at: when ClickHouse was told.
CREATE TABLE posthog_asyncdeletion (
    id bigserial PRIMARY KEY,
    deletion_type smallint NOT NULL CHECK (deletion_type = 1),
    team_id bigint NOT NULL,
    key varchar(400) NOT NULL,
    distinct_ids text[] NOT NULL DEFAULT '{}',
    delete_events boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz,
    delete_verified_at timestamptz
);
CREATE INDEX posthog_asyncdeletion_pending ON posthog_asyncdeletion (id) WHERE delete_verified_at IS NULL;
CREATE INDEX posthog_asyncdeletion_team ON posthog_asyncdeletion (team_id, id);

-- Days that events are kept. event '': all that have no row of their own.
CREATE TABLE hedgerow_event_retention (
    team_id bigint NOT NULL,
    event varchar(400) NOT NULL DEFAULT '',
    days integer NOT NULL CHECK (days > 0),
    PRIMARY KEY (team_id, event)
);

-- What jobs have done, the newest of each. team_id null: to the whole installation.
CREATE TABLE hedgerow_job_report (
    id bigserial PRIMARY KEY,
    job varchar(40) NOT NULL,
    team_id bigint,
    finished_at timestamptz NOT NULL DEFAULT now(),
    report jsonb NOT NULL
);
CREATE INDEX hedgerow_job_report_newest ON hedgerow_job_report (job, team_id, id);
