-- The last commands sent to each node over SSH, secrets masked; those over SNMP stand in `node_state.calls`.
CREATE TABLE ssh_call (
    call    INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id TEXT NOT NULL,                          -- a node, one that is being set up, or '[ssh.NAME]' of a jump host
    at_ms   INTEGER NOT NULL,
    text    TEXT NOT NULL
) STRICT;
CREATE INDEX ssh_call_of ON ssh_call (node_id, call);
CREATE INDEX ssh_call_age ON ssh_call (at_ms);
