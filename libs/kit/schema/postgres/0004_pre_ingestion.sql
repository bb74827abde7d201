-- What a project wants of its events, and the issues that its exceptions are.

ALTER TABLE posthog_team
    -- null: not said, which is yes
    ADD COLUMN heatmaps_opt_in boolean,
    -- null or 0: however old
    ADD COLUMN drop_events_older_than_seconds bigint CHECK (drop_events_older_than_seconds >= 0),
    -- 0 no cookieless events, 1 stateless, 2 stateful
    ADD COLUMN cookieless_server_hash_mode smallint NOT NULL DEFAULT 0
        CHECK (cookieless_server_hash_mode BETWEEN 0 AND 2);

CREATE TABLE posthog_errortrackingissue (
    id uuid PRIMARY KEY,
    team_id integer NOT NULL REFERENCES posthog_team (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    status varchar(20) NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'archived', 'pending_release', 'resolved', 'suppressed')),
    name text,
    description text
);
CREATE INDEX posthog_errortrackingissue_team ON posthog_errortrackingissue (team_id, created_at);

-- Which issue a fingerprint belongs to. Merging issues changes issue_id and adds one to version.
CREATE TABLE posthog_errortrackingissuefingerprintv2 (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id integer NOT NULL REFERENCES posthog_team (id) ON DELETE CASCADE,
    issue_id uuid NOT NULL REFERENCES posthog_errortrackingissue (id) ON DELETE CASCADE,
    fingerprint varchar(512) NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    first_seen timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (team_id, fingerprint)
);
CREATE INDEX posthog_errortrackingissuefingerprintv2_issue ON posthog_errortrackingissuefingerprintv2 (issue_id);
