-- ops.db: a node that came back from the field unused may be given out again under its operation, which a laptop then
-- holds in two of its rollouts. Only within one rollout there is one row a node, and so one an operation.
CREATE TABLE rollout_node_6 (
    rollout_id      TEXT NOT NULL REFERENCES rollout (rollout_id),
    node_id         TEXT NOT NULL,
    op_id           TEXT NOT NULL,                  -- also names the fence and the staged file on the node
    wave            INTEGER NOT NULL,
    batch           INTEGER NOT NULL DEFAULT 0,     -- 0: not chosen for a batch yet
    state           TEXT NOT NULL DEFAULT 'pending',
    since_ms        INTEGER NOT NULL,
    board_name      TEXT NOT NULL,                  -- as planned; the node has to say the same
    model           TEXT NOT NULL,
    uplink          TEXT NOT NULL DEFAULT '',
    image_sha256    TEXT NOT NULL,
    host_key        TEXT NOT NULL DEFAULT '',
    serial          TEXT NOT NULL DEFAULT '',
    version_before  TEXT NOT NULL DEFAULT '',
    revision_before TEXT NOT NULL DEFAULT '',
    boot_id_before  TEXT NOT NULL DEFAULT '',
    bank_before     TEXT NOT NULL DEFAULT '',
    baseline        TEXT NOT NULL DEFAULT '{}',     -- JSON: neighbours and signal per band
    path            TEXT NOT NULL DEFAULT '',       -- of the staged image on the node
    tries           INTEGER NOT NULL DEFAULT 0,     -- of preparing it
    retry_ms        INTEGER NOT NULL DEFAULT 0,     -- not before
    deliveries      INTEGER NOT NULL DEFAULT 0,     -- of the flash command
    deadline_ms     INTEGER NOT NULL DEFAULT 0,
    soak_until_ms   INTEGER NOT NULL DEFAULT 0,
    epoch           INTEGER NOT NULL DEFAULT 0,     -- of the engine that wrote the flash intent
    boot_id_after   TEXT NOT NULL DEFAULT '',
    reason          TEXT NOT NULL DEFAULT '',       -- code of why it rests here
    detail          TEXT NOT NULL DEFAULT '',       -- what the node or the driver said
    PRIMARY KEY (rollout_id, node_id)
) STRICT, WITHOUT ROWID;
INSERT INTO rollout_node_6 SELECT * FROM rollout_node;
DROP TABLE rollout_node;
ALTER TABLE rollout_node_6 RENAME TO rollout_node;
CREATE INDEX rollout_node_of ON rollout_node (node_id);
CREATE INDEX rollout_node_flying ON rollout_node (rollout_id)
    WHERE state IN ('commit_intent', 'dark', 'booted', 'proving');
