-- What nodes say of each other. One row per pair of interfaces; a is the end whose node id sorts first.
CREATE TABLE link (
    link_id         TEXT PRIMARY KEY,               -- 'a/ifname~b/ifname'
    a               TEXT NOT NULL,
    a_ifname        TEXT NOT NULL,
    b               TEXT NOT NULL,
    b_ifname        TEXT NOT NULL,
    band            TEXT NOT NULL,                  -- 2.4 | 5 | 6 | 60 | wired | lora
    source          TEXT NOT NULL,                  -- who told, joined by '+'
    state           TEXT NOT NULL,                  -- up | down | flapping
    since_ms        INTEGER NOT NULL,
    first_ms        INTEGER NOT NULL,
    seen_ms         INTEGER NOT NULL,               -- last time an end heard the other
    quality_pct     REAL,                           -- the worse of both ends
    quality_a_pct   REAL,                           -- as a hears b
    quality_b_pct   REAL,
    signal_dbm      REAL,
    throughput_mbps REAL,
    channel         INTEGER,
    available_pct   REAL NOT NULL,                  -- share of the last 24 hours' reports that had it
    conflict        TEXT NOT NULL DEFAULT '',       -- '' | one_sided | quality | band
    memory          BLOB NOT NULL DEFAULT x''       -- what judging it needs to go on after a restart
) STRICT, WITHOUT ROWID;
CREATE INDEX link_a ON link (a);
CREATE INDEX link_b ON link (b);

CREATE TABLE link_event (
    at_ms   INTEGER NOT NULL,
    link_id TEXT NOT NULL,
    what    TEXT NOT NULL                           -- appeared | up | down | flapping | gone
) STRICT;
CREATE INDEX link_event_of ON link_event (link_id, at_ms);
CREATE INDEX link_event_age ON link_event (at_ms);

-- Far ends nobody knows, and MACs that several nodes claim: shown, never guessed at.
CREATE TABLE unknown_end (
    seen_by    TEXT NOT NULL,
    ifname     TEXT NOT NULL,
    mac        TEXT NOT NULL,
    name       TEXT NOT NULL DEFAULT '',
    source     TEXT NOT NULL,
    band       TEXT NOT NULL,
    signal_dbm REAL,
    reason     TEXT NOT NULL,                       -- unknown | several
    first_ms   INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,
    PRIMARY KEY (seen_by, ifname, mac, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE node_mac (
    node_id TEXT NOT NULL,
    mac     TEXT NOT NULL,
    ifname  TEXT NOT NULL,
    seen_ms INTEGER NOT NULL,
    PRIMARY KEY (node_id, mac)
) STRICT, WITHOUT ROWID;

-- Where each node stands in the mesh, worked out by the engine whenever the graph changes: what the screens draw.
CREATE TABLE mesh_place (
    node_id   TEXT PRIMARY KEY,
    parent    TEXT NOT NULL,                        -- next hop on the cheapest way to a gateway, '' for gateways
    gateway   TEXT NOT NULL,                        -- '' where no way leads to one
    hops      INTEGER NOT NULL,
    cost      REAL NOT NULL,
    dominator TEXT NOT NULL,                        -- the nearest node every way passes, '' when there are two ways
    ways      INTEGER NOT NULL,                     -- neighbours that reach a gateway without this node
    behind    INTEGER NOT NULL                      -- nodes that lose their last way with this one
) STRICT, WITHOUT ROWID;
