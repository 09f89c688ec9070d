-- ops.db: parts of a rollout that a technician's laptop does alone. The console gives them out, the laptop takes them.
CREATE TABLE field_lease (
    lease_id    TEXT PRIMARY KEY,                   -- L-0001, the same on both sides
    side        TEXT NOT NULL,                      -- given (at the console) | taken (on the laptop)
    rollout_id  TEXT NOT NULL,                      -- the console's rollout
    holder      TEXT NOT NULL,
    peer_key    TEXT NOT NULL,                      -- hexadecimal Ed25519 key of the other side
    plan_hash   TEXT NOT NULL,                      -- of the slice both sides hold
    given_ms    INTEGER NOT NULL,
    until_ms    INTEGER NOT NULL,                   -- no flash begins on the laptop after this
    state       TEXT NOT NULL DEFAULT 'out',        -- out | back | reclaimed
    ssh_key     TEXT NOT NULL DEFAULT ''            -- the laptop's public key, as it stands on the leased nodes
) STRICT, WITHOUT ROWID;
CREATE TABLE field_lease_node (
    lease_id TEXT NOT NULL REFERENCES field_lease (lease_id),
    node_id  TEXT NOT NULL,
    op_id    TEXT NOT NULL,
    PRIMARY KEY (lease_id, node_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX field_lease_op ON field_lease_node (op_id);
