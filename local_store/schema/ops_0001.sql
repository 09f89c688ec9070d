-- ops.db: what people and the engine decide. Losing a row here is never acceptable (synchronous=FULL).
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    node_id     TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    system      TEXT NOT NULL DEFAULT 'gevernetzt',
    role        TEXT NOT NULL,                      -- gateway | uplink | mesh | hotspot | lorawan_gateway | other
    district    TEXT NOT NULL DEFAULT '',
    site        TEXT NOT NULL DEFAULT '',
    stage       TEXT NOT NULL DEFAULT 'production', -- lab | pilot | production
    vendor      TEXT NOT NULL DEFAULT '',
    model       TEXT NOT NULL DEFAULT '',
    board_name  TEXT NOT NULL DEFAULT '',
    serial      TEXT NOT NULL DEFAULT '',
    firmware    TEXT NOT NULL DEFAULT '',
    address     TEXT NOT NULL,
    port        INTEGER NOT NULL DEFAULT 161,
    profile     TEXT NOT NULL DEFAULT 'default',    -- credentials profile of the configuration
    uplink      TEXT NOT NULL DEFAULT '',           -- node id the traffic goes through ('' = none known)
    lat         REAL,
    lon         REAL,
    attributes  TEXT NOT NULL DEFAULT '{}',         -- what an import brought beyond these columns, kept for export
    changed_ms  INTEGER NOT NULL,
    retired_ms  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX node_district ON node (district);

CREATE TABLE sensor (
    sensor_id   TEXT PRIMARY KEY,                   -- DevEUI in lower case, or the declared id of a plain sensor
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,                      -- bin | climate | passenger | movement | other
    system      TEXT NOT NULL,                      -- gesaeubert | gegruent | gebewegt | gesichert | ...
    district    TEXT NOT NULL DEFAULT '',
    site        TEXT NOT NULL DEFAULT '',
    model       TEXT NOT NULL DEFAULT '',
    interval_s  INTEGER NOT NULL DEFAULT 3600,      -- expected uplink interval; silent after 1.5 times this
    lat         REAL,
    lon         REAL,
    attributes  TEXT NOT NULL DEFAULT '{}',
    changed_ms  INTEGER NOT NULL,
    retired_ms  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
    alert_id     INTEGER PRIMARY KEY,
    entity_kind  TEXT NOT NULL,                     -- node | sensor | broker | store | engine
    entity_id    TEXT NOT NULL,
    kind         TEXT NOT NULL,                     -- down | degraded | silent | flapping | ...
    severity     TEXT NOT NULL,                     -- critical | warning
    opened_ms    INTEGER NOT NULL,
    changed_ms   INTEGER NOT NULL,
    closed_ms    INTEGER,
    detail       TEXT NOT NULL DEFAULT '{}',        -- JSON: the facts the sentence is made of
    acked_by     TEXT,
    acked_ms     INTEGER,
    ack_reason   TEXT,
    ack_until_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX alert_open ON alert (entity_kind, entity_id, kind) WHERE closed_ms IS NULL;
CREATE INDEX alert_recent ON alert (opened_ms);

CREATE TABLE alert_event (
    alert_id INTEGER NOT NULL REFERENCES alert (alert_id),
    at_ms    INTEGER NOT NULL,
    what     TEXT NOT NULL,                         -- opened | severity | acked | ack_expired | closed
    actor    TEXT NOT NULL,
    text     TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX alert_event_of ON alert_event (alert_id);

-- What a person asked for; the engine executes it. The screens write nothing else.
CREATE TABLE intent (
    intent_id  TEXT PRIMARY KEY,                    -- uuid7
    kind       TEXT NOT NULL,
    body       TEXT NOT NULL,                       -- JSON
    actor      TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    state      TEXT NOT NULL DEFAULT 'queued',      -- queued | done | refused | withdrawn
    decided_ms INTEGER,
    result     TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX intent_queued ON intent (created_ms) WHERE state = 'queued';

-- Journaled runs: probe -> started -> apply -> probe -> done + evidence.
CREATE TABLE run (
    run_id      TEXT PRIMARY KEY,
    playbook    TEXT NOT NULL,
    plan        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'running',    -- running | paused | done | failed | aborted
    created_ms  INTEGER NOT NULL,
    finished_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE step (
    run_id      TEXT NOT NULL REFERENCES run (run_id),
    seq         INTEGER NOT NULL,
    name        TEXT NOT NULL,
    promise     TEXT NOT NULL,                      -- idempotent | observable | once
    state       TEXT NOT NULL DEFAULT 'waiting',    -- waiting | started | done | failed | asks
    attempts    INTEGER NOT NULL DEFAULT 0,
    started_ms  INTEGER,
    finished_ms INTEGER,
    evidence    TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

-- Operation log: every change a person makes; the outbox of a later synchronisation.
CREATE TABLE op (
    op_id     TEXT PRIMARY KEY,                     -- uuid7
    replica   TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    hlc       TEXT NOT NULL,                        -- hybrid logical clock, sorts as text
    actor     TEXT NOT NULL,
    entity    TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    base      TEXT NOT NULL,                        -- JSON: field -> ids of the operations this one saw and replaces
    body      TEXT NOT NULL,
    sent_ms   INTEGER,
    UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX op_entity ON op (entity, entity_id, hlc);
CREATE TABLE field_version (
    entity    TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    field     TEXT NOT NULL,
    op_id     TEXT NOT NULL,
    PRIMARY KEY (entity, entity_id, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY,
    at_ms  INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    body   TEXT NOT NULL,                           -- canonical JSON
    prev   BLOB NOT NULL,
    hash   BLOB NOT NULL                            -- SHA-256 over prev and the canonical entry
) STRICT;
CREATE TABLE audit_head (
    seq       INTEGER PRIMARY KEY,
    at_ms     INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    signature BLOB NOT NULL                         -- Ed25519 over seq and hash
) STRICT;

-- One engine per store: the lease row beside the file lock; and one liveness row per service.
CREATE TABLE lease (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    epoch      INTEGER NOT NULL,
    pid        INTEGER NOT NULL,
    host       TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    beat_ms    INTEGER NOT NULL
) STRICT;
CREATE TABLE service (
    name       TEXT PRIMARY KEY,
    state      TEXT NOT NULL,                       -- starting | running | retrying | stopped
    since_ms   INTEGER NOT NULL,
    beat_ms    INTEGER NOT NULL,
    detail     TEXT NOT NULL DEFAULT '{}'           -- JSON: counters and the last error
) STRICT, WITHOUT ROWID;

CREATE TABLE view_setting (
    view  TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (view, key)
) STRICT, WITHOUT ROWID;
