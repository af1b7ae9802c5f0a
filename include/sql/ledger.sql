-- The ledger of all exports: what ODP has acknowledged, which events are claimed, the rate of requests, runs and rejects.
--
-- Run it with any client on a database of its own (never the replica, never Airflow's metadata database), again after each
-- upgrade: it creates what is missing and changes nothing that is there. `python -m odp.create_ledger` does it on the Airflow
-- connection odp_ledger. It holds personal data (record keys, rejected rows): give it the protection that data needs.

CREATE TABLE IF NOT EXISTS ledger_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- One row per export of an ODP account: the number by which the two large tables below name it.
CREATE TABLE IF NOT EXISTS export_scope (
    scope_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    export text NOT NULL,
    UNIQUE (account, export)
);

-- Version 1 named account and export in each row of the two large tables: put aside here, moved below.
DO $$
DECLARE
    old text;
BEGIN
    FOR old IN
        SELECT table_name FROM information_schema.columns
        WHERE table_schema = current_schema() AND column_name = 'account' AND table_name IN ('record_state', 'event_delivery')
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', old, old || '_1');
        EXECUTE format('ALTER INDEX %I RENAME TO %I', old || '_pkey', old || '_1_pkey');
        EXECUTE format('INSERT INTO export_scope (account, export) SELECT DISTINCT account, export FROM %I'
            ' ON CONFLICT DO NOTHING', old || '_1');
        IF old = 'event_delivery' THEN
            DROP INDEX event_delivery_open;
        END IF;
    END LOOP;
END
$$;

-- One row per record of an object or profile, and per order: the content that ODP last acknowledged.
-- Hashes are 128 bits, kept as uuid.
CREATE TABLE IF NOT EXISTS record_state (
    scope_id integer NOT NULL,
    key_hash uuid NOT NULL,
    record_key text NOT NULL,
    payload_hash uuid NOT NULL,
    run_id text NOT NULL,
    delivered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope_id, key_hash)
);

-- One row per event. ODP's events are immutable, so a row is written before the event is sent and never sent twice.
-- claimed: being sent, or left by a crash; delivered: acknowledged; uncertain: nobody knows whether ODP stored it.
CREATE TABLE IF NOT EXISTS event_delivery (
    scope_id integer NOT NULL,
    record_key text NOT NULL,
    action text NOT NULL,
    state text NOT NULL CHECK (state IN ('claimed', 'delivered', 'uncertain')),
    payload_hash uuid NOT NULL,
    run_id text NOT NULL,
    part integer NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    PRIMARY KEY (scope_id, record_key, action)
);
CREATE INDEX IF NOT EXISTS event_delivery_open ON event_delivery (scope_id, claimed_at) WHERE state <> 'delivered';

DO $$
BEGIN
    IF to_regclass('record_state_1') IS NOT NULL THEN
        INSERT INTO record_state
        SELECT s.scope_id, o.key_hash, o.record_key, o.payload_hash, o.run_id, o.delivered_at
        FROM record_state_1 o JOIN export_scope s USING (account, export);
        DROP TABLE record_state_1;
    END IF;
    IF to_regclass('event_delivery_1') IS NOT NULL THEN
        INSERT INTO event_delivery
        SELECT s.scope_id, o.record_key, o.action, o.state, o.payload_hash, o.run_id, o.part, o.claimed_at, o.delivered_at
        FROM event_delivery_1 o JOIN export_scope s USING (account, export);
        DROP TABLE event_delivery_1;
    END IF;
END
$$;

-- One row per API family of an account: when its next request may be sent.
CREATE TABLE IF NOT EXISTS pacing (
    account text NOT NULL,
    family text NOT NULL,
    next_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, family)
);

-- One row per run of an export.
CREATE TABLE IF NOT EXISTS export_run (
    account text NOT NULL,
    export text NOT NULL,
    run_id text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    ids integer,
    state text NOT NULL CHECK (state IN ('running', 'success', 'failed')),
    extracted bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    uncertain bigint NOT NULL DEFAULT 0,
    not_sent bigint NOT NULL DEFAULT 0,
    summary jsonb,
    error text,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (account, export, run_id)
);
-- Version 2. In version 1 nothing tells dry runs from others but the rows that they did not send.
ALTER TABLE export_run ADD COLUMN IF NOT EXISTS dry_run boolean;
UPDATE export_run SET dry_run = not_sent > 0 WHERE dry_run IS NULL;
ALTER TABLE export_run ALTER COLUMN dry_run SET DEFAULT false, ALTER COLUMN dry_run SET NOT NULL;
CREATE INDEX IF NOT EXISTS export_run_recent ON export_run (account, export, started_at DESC);
-- Version 2: the page shows the runs of schedules and people apart from real time's, of which there are thousands a day; and those
-- that are not done are few among all (odp.core.run_overview).
CREATE INDEX IF NOT EXISTS export_run_own ON export_run (account, export, started_at DESC) WHERE run_id NOT LIKE 'odp_realtime/%';
CREATE INDEX IF NOT EXISTS export_run_unjudged ON export_run (account, export) WHERE summary IS NULL;
-- Version 2: what runs have covered is read from this alone, by the same condition (odp.core.coverage).
CREATE INDEX IF NOT EXISTS export_run_covered ON export_run (account, export, started_at) INCLUDE (window_start, window_end)
    WHERE ids IS NULL AND NOT dry_run AND summary IS NOT NULL
        AND extracted = delivered + unchanged + skipped + rejected + uncertain + not_sent;

-- One row per part of a run. delivered: rows acknowledged, added in the transaction that records what was acknowledged;
-- extracted and settled (rows that came to an end without being acknowledged; null until transform is done) only show how far a
-- run has come.
CREATE TABLE IF NOT EXISTS run_part (
    account text NOT NULL,
    export text NOT NULL,
    run_id text NOT NULL,
    part integer NOT NULL,
    delivered bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, export, run_id, part)
);
-- Version 2.
ALTER TABLE run_part ADD COLUMN IF NOT EXISTS extracted bigint NOT NULL DEFAULT 0;
ALTER TABLE run_part ADD COLUMN IF NOT EXISTS settled bigint;

-- One row per entity that could not be delivered. Every later run of the export tries the open ones again.
CREATE TABLE IF NOT EXISTS reject (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    export text NOT NULL,
    entity_id text NOT NULL,
    record_key text NOT NULL,
    reason text NOT NULL,
    payload jsonb,
    odp_answer text,
    run_id text NOT NULL,
    tries integer NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    closed_by text
);
CREATE UNIQUE INDEX IF NOT EXISTS reject_open ON reject (account, export, entity_id) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS reject_closed ON reject (closed_at) WHERE closed_at IS NOT NULL;
-- Version 2. The reason without what differs from record to record (quoted values, e-mail addresses, long numbers, the number
-- of an order's line), by which the page groups rejects.
ALTER TABLE reject ADD COLUMN IF NOT EXISTS reason_group text NOT NULL GENERATED ALWAYS AS (
    left(regexp_replace(regexp_replace(
        reason,
        $$"[^"]*"|(?<!\w)'[^']*'(?!\w)|(?!\S+@example\.com)[^\s@]+@[^\s@]+|\d{6,}$$, '…', 'g'),
        '(?<=\mitems\.)\d+', 'N', 'g'
    ), 300)
) STORED;
CREATE INDEX IF NOT EXISTS reject_open_group ON reject (account, export, reason_group) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS reject_open_recent ON reject (account, export, last_at DESC, id DESC) WHERE closed_at IS NULL;

-- One row per comparison of an export's whole source with this ledger: counts, and keys of examples.
CREATE TABLE IF NOT EXISTS consistency_check (
    account text NOT NULL,
    export text NOT NULL,
    run_id text NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now(),
    result jsonb NOT NULL,
    PRIMARY KEY (account, export, run_id)
);

-- Version 2. Real time, one row per export that it watches: how far the replica has been read.
CREATE TABLE IF NOT EXISTS change_watch (
    scope_id integer PRIMARY KEY,
    -- Rows whose ModifiedOn is before this time have been seen, however late they came.
    watermark timestamptz NOT NULL,
    -- With the change table (change_notifications.sql): the transactions whose changes have been seen.
    snapshot text,
    looked_at timestamptz NOT NULL DEFAULT now(),
    -- When a run last took changes, how many runs in a row could not deliver them, and when the next one may try.
    taken_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    not_before timestamptz
);

-- Version 2. Real time, one row per entity that has changed: open until a run has delivered it or kept it as a reject.
CREATE TABLE IF NOT EXISTS changed_entity (
    scope_id integer NOT NULL,
    entity_id text NOT NULL,
    -- What was seen of it; null where only a trigger of the change table tells that it has changed.
    fingerprint bigint,
    seen_at timestamptz NOT NULL DEFAULT now(),
    run_id text,
    -- Delivered while these other runs of the export were at work: looked at once more when they have ended.
    waits_for text[],
    done_at timestamptz,
    PRIMARY KEY (scope_id, entity_id)
);
CREATE INDEX IF NOT EXISTS changed_entity_open ON changed_entity (scope_id, seen_at) WHERE done_at IS NULL;

INSERT INTO ledger_version (version) VALUES (2) ON CONFLICT DO NOTHING;
