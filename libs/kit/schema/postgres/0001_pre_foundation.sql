-- Organizations, people who sign in, projects, keys, persons, and where each consumer stands.

CREATE TABLE posthog_organization (
    id uuid PRIMARY KEY,
    name varchar(64) NOT NULL,
    slug varchar(48) NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A project and its environment share this id.
CREATE TABLE posthog_team (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES posthog_organization (id) ON DELETE CASCADE,
    name varchar(200) NOT NULL,
    api_token varchar(200) NOT NULL UNIQUE,
    secret_api_token varchar(200) UNIQUE,
    timezone varchar(240) NOT NULL DEFAULT 'UTC',
    week_start_day smallint NOT NULL DEFAULT 0 CHECK (week_start_day IN (0, 1)),
    test_account_filters jsonb NOT NULL DEFAULT '[]',
    anonymize_ips boolean NOT NULL DEFAULT false,
    ingested_event boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX posthog_team_organization ON posthog_team (organization_id);

CREATE TABLE posthog_user (
    id serial PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    email varchar(254) NOT NULL,
    password varchar(256) NOT NULL, -- argon2id, with its parameters
    first_name varchar(150) NOT NULL DEFAULT '',
    last_name varchar(150) NOT NULL DEFAULT '',
    distinct_id varchar(200) UNIQUE,
    is_active boolean NOT NULL DEFAULT true,
    is_staff boolean NOT NULL DEFAULT false,
    date_joined timestamptz NOT NULL DEFAULT now(),
    current_organization_id uuid REFERENCES posthog_organization (id) ON DELETE SET NULL,
    current_team_id integer REFERENCES posthog_team (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX posthog_user_email ON posthog_user (lower(email));

CREATE TABLE posthog_organizationmembership (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES posthog_organization (id) ON DELETE CASCADE,
    user_id integer NOT NULL REFERENCES posthog_user (id) ON DELETE CASCADE,
    level smallint NOT NULL DEFAULT 1 CHECK (level IN (1, 8, 15)), -- member, admin, owner
    joined_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, user_id)
);
CREATE INDEX posthog_organizationmembership_user ON posthog_organizationmembership (user_id);

CREATE TABLE posthog_personalapikey (
    id varchar(50) PRIMARY KEY,
    user_id integer NOT NULL REFERENCES posthog_user (id) ON DELETE CASCADE,
    label varchar(40) NOT NULL,
    secure_value varchar(300) NOT NULL UNIQUE, -- SHA-256 of the key, hex; the key itself is shown once and never kept
    mask_value varchar(11) NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    scoped_teams integer[] NOT NULL DEFAULT '{}',
    scoped_organizations uuid[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    last_rolled_at timestamptz
);
CREATE INDEX posthog_personalapikey_user ON posthog_personalapikey (user_id);

-- Partitioned from the start, for it cannot be done later. No foreign keys between these two: ingestion writes both in
-- one transaction, and a check per row would meet every partition.
CREATE TABLE posthog_person (
    team_id bigint NOT NULL,
    uuid uuid NOT NULL,
    created_at timestamptz NOT NULL,
    properties jsonb NOT NULL DEFAULT '{}',
    properties_last_updated_at jsonb,
    properties_last_operation jsonb,
    is_identified boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 0,
    last_seen_at timestamptz,
    is_deleted boolean NOT NULL DEFAULT false,
    PRIMARY KEY (team_id, uuid)
) PARTITION BY HASH (team_id, uuid);

CREATE TABLE posthog_persondistinctid (
    team_id bigint NOT NULL,
    distinct_id varchar(400) NOT NULL,
    person_uuid uuid NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    is_deleted boolean NOT NULL DEFAULT false,
    PRIMARY KEY (team_id, distinct_id)
) PARTITION BY HASH (team_id, distinct_id);
CREATE INDEX posthog_persondistinctid_person ON posthog_persondistinctid (team_id, person_uuid);

DO $$
DECLARE
    modulus integer := current_setting('hedgerow.person_partitions')::integer;
BEGIN
    FOR remainder IN 0 .. modulus - 1 LOOP
        -- room on each page, so that an update of properties stays on it and touches no index
        EXECUTE format(
            'CREATE TABLE posthog_person_p%s PARTITION OF posthog_person
             FOR VALUES WITH (MODULUS %s, REMAINDER %s) WITH (fillfactor = 85)', remainder, modulus, remainder);
        EXECUTE format(
            'CREATE TABLE posthog_persondistinctid_p%s PARTITION OF posthog_persondistinctid
             FOR VALUES WITH (MODULUS %s, REMAINDER %s)', remainder, modulus, remainder);
    END LOOP;
END
$$;

-- Where a consumer group stands in a log, moved in the same transaction as what it wrote.
CREATE TABLE hedgerow_log_position (
    log_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    consumer_group text NOT NULL,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log_id, topic, partition, consumer_group)
);
