-- Distinct ids without a person, groups, and what a project's events and properties are called.

ALTER TABLE posthog_team ADD COLUMN person_processing_opt_out boolean NOT NULL DEFAULT false;

-- Events of these were stored under a made-up person. is_merged: a merge has met the id since.
CREATE TABLE posthog_personlessdistinctid (
    team_id bigint NOT NULL,
    distinct_id varchar(400) NOT NULL,
    is_merged boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (team_id, distinct_id)
) PARTITION BY HASH (team_id, distinct_id);

DO $$
DECLARE
    modulus integer := current_setting('hedgerow.person_partitions')::integer;
BEGIN
    FOR remainder IN 0 .. modulus - 1 LOOP
        EXECUTE format(
            'CREATE TABLE posthog_personlessdistinctid_p%s PARTITION OF posthog_personlessdistinctid
             FOR VALUES WITH (MODULUS %s, REMAINDER %s)', remainder, modulus, remainder);
    END LOOP;
END
$$;

CREATE TABLE posthog_grouptypemapping (
    id bigserial PRIMARY KEY,
    team_id bigint NOT NULL,
    project_id bigint NOT NULL,
    group_type varchar(400) NOT NULL,
    group_type_index smallint NOT NULL CHECK (group_type_index BETWEEN 0 AND 4),
    name_singular varchar(400),
    name_plural varchar(400),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, group_type),
    UNIQUE (project_id, group_type_index)
);

CREATE TABLE posthog_group (
    team_id bigint NOT NULL,
    group_type_index smallint NOT NULL,
    group_key varchar(400) NOT NULL,
    group_properties jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (team_id, group_type_index, group_key)
);

CREATE TABLE posthog_eventdefinition (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id bigint NOT NULL,
    project_id bigint NOT NULL,
    name varchar(400) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);

-- type: 1 of events, 2 of persons, 3 of groups (of one type), 4 of sessions. property_type: null until it is known.
CREATE TABLE posthog_propertydefinition (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id bigint NOT NULL,
    project_id bigint NOT NULL,
    name varchar(400) NOT NULL,
    type smallint NOT NULL CHECK (type BETWEEN 1 AND 4),
    group_type_index smallint,
    property_type varchar(50),
    is_numerical boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX posthog_propertydefinition_name
    ON posthog_propertydefinition (project_id, name, type, coalesce(group_type_index, -1));

CREATE TABLE posthog_eventproperty (
    team_id bigint NOT NULL,
    project_id bigint NOT NULL,
    event varchar(400) NOT NULL,
    property varchar(400) NOT NULL,
    PRIMARY KEY (project_id, event, property)
);
