-- Configurations of nodes: what they were, what we applied, what rules say. Bodies hold secrets: the file is encrypted.
CREATE TABLE config_body (
    sha256 TEXT PRIMARY KEY,                        -- of the normalised text
    size   INTEGER NOT NULL,
    lines  INTEGER NOT NULL,
    body   BLOB NOT NULL                            -- zstd
) STRICT, WITHOUT ROWID;

-- One row whenever a node's running configuration was found different from the one before.
CREATE TABLE config_backup (
    backup_id INTEGER PRIMARY KEY,
    node_id   TEXT NOT NULL,
    sha256    TEXT NOT NULL REFERENCES config_body (sha256),
    form      TEXT NOT NULL,                        -- uci | routeros | airos
    taken_ms  INTEGER NOT NULL,
    cause     TEXT NOT NULL,                        -- daily | asked | notice | after_push | accepted
    actor     TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX config_backup_of ON config_backup (node_id, taken_ms);

-- The last look at each node: when one succeeded, why the latest did not.
CREATE TABLE config_look (
    node_id    TEXT PRIMARY KEY,
    tried_ms   INTEGER NOT NULL,
    read_ms    INTEGER,
    failure    TEXT NOT NULL DEFAULT '',
    verdict    TEXT NOT NULL DEFAULT '',            -- '' (no template) | in_sync | pending | drifted | conflict
    drift      TEXT NOT NULL DEFAULT '[]',          -- JSON: options not as intended, masked
    failing    INTEGER NOT NULL DEFAULT 0,          -- broken rules without exception
    critical   INTEGER NOT NULL DEFAULT 0,
    excepted   INTEGER NOT NULL DEFAULT 0,
    judged_ms  INTEGER
) STRICT, WITHOUT ROWID;

-- What was put on a node by us: the base of every three-way comparison.
CREATE TABLE config_applied (
    applied_id INTEGER PRIMARY KEY,
    node_id    TEXT NOT NULL,
    sha256     TEXT NOT NULL REFERENCES config_body (sha256),
    op_id      TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    actor      TEXT NOT NULL
) STRICT;
CREATE INDEX config_applied_of ON config_applied (node_id, at_ms);

CREATE TABLE config_finding (
    node_id  TEXT NOT NULL,
    rule_id  TEXT NOT NULL,
    outcome  TEXT NOT NULL,                         -- pass | fail | excepted
    severity TEXT NOT NULL,
    title    TEXT NOT NULL,
    option   TEXT NOT NULL,
    found    TEXT NOT NULL,                         -- masked
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (node_id, rule_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE config_exception (
    exception_id INTEGER PRIMARY KEY,
    node_id      TEXT NOT NULL,                     -- '*': every node
    rule_id      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    actor        TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    until_ms     INTEGER NOT NULL,
    ended_ms     INTEGER
) STRICT;
CREATE INDEX config_exception_open ON config_exception (rule_id) WHERE ended_ms IS NULL;
