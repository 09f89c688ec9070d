-- ops.db: firmware images as this console believed them, and rollouts with everything that is durable before an effect.
CREATE TABLE firmware_image (
    sha256         TEXT PRIMARY KEY,                -- of the whole file, lower case hexadecimal
    version        TEXT NOT NULL,
    revision       TEXT NOT NULL,                   -- what `system board` says beside the version once it runs
    boards         TEXT NOT NULL,                   -- JSON list of board names it is for
    compat_version TEXT NOT NULL DEFAULT '1.0',
    min_version    TEXT NOT NULL DEFAULT '',        -- oldest version that may be upgraded directly
    size           INTEGER NOT NULL,
    name           TEXT NOT NULL,                   -- its name in the signed catalogue
    signed_by      TEXT NOT NULL,                   -- JSON list of key names whose signatures were verified
    expires_ms     INTEGER NOT NULL,
    added_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rollout (
    rollout_id    TEXT PRIMARY KEY,                 -- R-0001
    state         TEXT NOT NULL DEFAULT 'planned',  -- planned | approved | running | paused | complete | ...
    version       TEXT NOT NULL,
    plan          TEXT NOT NULL,                    -- canonical JSON, frozen
    plan_hash     TEXT NOT NULL,
    topology_hash TEXT NOT NULL,
    actor         TEXT NOT NULL,
    created_ms    INTEGER NOT NULL,
    started_ms    INTEGER,
    finished_ms   INTEGER,
    pause_reason  TEXT NOT NULL DEFAULT '',         -- operator | budget | gate | blind | window | topology | image
    pause_detail  TEXT NOT NULL DEFAULT '{}',       -- JSON: the numbers the sentence is made of
    paused_ms     INTEGER,
    rollback_of   TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE TABLE rollout_approval (
    rollout_id TEXT NOT NULL REFERENCES rollout (rollout_id),
    actor      TEXT NOT NULL,
    what       TEXT NOT NULL,                       -- second_person | gateways | budget
    at_ms      INTEGER NOT NULL,
    PRIMARY KEY (rollout_id, what, actor)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollout_wave (
    rollout_id    TEXT NOT NULL REFERENCES rollout (rollout_id),
    wave          INTEGER NOT NULL,
    name          TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'waiting',  -- waiting | pre_gate | in_flight | soak | post_gate | passed | failed
    batch         INTEGER NOT NULL DEFAULT 0,       -- the batch under way, counted from 1
    started_ms    INTEGER,
    soak_until_ms INTEGER,
    accepted      INTEGER NOT NULL DEFAULT 0,       -- failures a person has agreed to live with in this wave
    PRIMARY KEY (rollout_id, wave)
) STRICT, WITHOUT ROWID;
CREATE TABLE rollout_gate (
    rollout_id TEXT NOT NULL REFERENCES rollout (rollout_id),
    wave       INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    kind       TEXT NOT NULL,                       -- pre | budget | post
    passed     INTEGER NOT NULL,
    checks     TEXT NOT NULL                        -- JSON: what was seen and what was wanted
) STRICT;
CREATE INDEX rollout_gate_of ON rollout_gate (rollout_id, wave, at_ms);

CREATE TABLE rollout_node (
    rollout_id      TEXT NOT NULL REFERENCES rollout (rollout_id),
    node_id         TEXT NOT NULL,
    op_id           TEXT NOT NULL UNIQUE,           -- also names the fence and the staged file on the node
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
CREATE INDEX rollout_node_of ON rollout_node (node_id);
CREATE INDEX rollout_node_flying ON rollout_node (rollout_id)
    WHERE state IN ('commit_intent', 'dark', 'booted', 'proving');

CREATE TABLE rollout_event (
    rollout_id TEXT NOT NULL,
    node_id    TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    before     TEXT NOT NULL,
    event      TEXT NOT NULL,
    after      TEXT NOT NULL,
    detail     TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX rollout_event_of ON rollout_event (rollout_id, node_id);

-- One chain per rollout: the first row hangs on the plan's hash, each is signed with the store's key.
CREATE TABLE rollout_evidence (
    rollout_id TEXT NOT NULL REFERENCES rollout (rollout_id),
    seq        INTEGER NOT NULL,
    node_id    TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    body       TEXT NOT NULL,                       -- canonical JSON
    prev       BLOB NOT NULL,
    hash       BLOB NOT NULL,
    signature  BLOB NOT NULL,
    PRIMARY KEY (rollout_id, seq)
) STRICT, WITHOUT ROWID;
