-- What a project's SDKs are told to collect, and who asked for a deletion.

ALTER TABLE posthog_team
    -- null: not said, which is no
    ADD COLUMN autocapture_opt_out boolean,
    ADD COLUMN autocapture_exceptions_opt_in boolean,
    ADD COLUMN autocapture_web_vitals_opt_in boolean,
    -- null: all of them
    ADD COLUMN autocapture_web_vitals_allowed_metrics text[],
    ADD COLUMN capture_performance_opt_in boolean,
    ADD COLUMN capture_dead_clicks boolean;

ALTER TABLE posthog_asyncdeletion
    -- null: somebody who is gone since
    ADD COLUMN created_by_id integer REFERENCES posthog_user (id) ON DELETE SET NULL,
    -- only the events were to go
    ADD COLUMN keep_person boolean NOT NULL DEFAULT false;
