-- telemetry.db: what devices said. One message's effects are one transaction of this file.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE series (
    series    INTEGER PRIMARY KEY,
    entity_id TEXT NOT NULL,                        -- node id, 'node id/interface', sensor id
    quantity  TEXT NOT NULL,                        -- with its unit: rtt_ms, in_bps, fill_pct
    UNIQUE (entity_id, quantity)
) STRICT;

-- Append-only in arrival order, one row per append: 24-byte records of series, t_ms, value (little endian),
-- as they are or their byte planes packed (local_store/telemetry/tail.py).
CREATE TABLE tail (
    batch INTEGER PRIMARY KEY,
    n     INTEGER NOT NULL,
    t0_ms INTEGER NOT NULL,
    t1_ms INTEGER NOT NULL,
    body  BLOB NOT NULL
) STRICT;

-- What the tail held, sorted by series and cut into pieces; waits here until chunks are worth writing.
-- AUTOINCREMENT: a number is never used twice, so that "up to number n" means the same after any deletion.
CREATE TABLE bundle (
    bundle INTEGER PRIMARY KEY AUTOINCREMENT,
    s0     INTEGER NOT NULL,                        -- first and last series
    s1     INTEGER NOT NULL,
    t0_ms  INTEGER NOT NULL,
    t1_ms  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    body   BLOB NOT NULL                            -- codec.encode(series, [times as float bits, values])
) STRICT;
CREATE INDEX bundle_of ON bundle (s1, s0);

-- Chunks of one series never overlap in time. A rowid table on purpose: blobs of a WITHOUT ROWID table spill one
-- overflow page each. The open chunk of a series has the number -1 - series, finished ones count up for ever.
CREATE TABLE chunk (
    chunk  INTEGER PRIMARY KEY AUTOINCREMENT,
    series INTEGER NOT NULL,
    t0_ms  INTEGER NOT NULL,
    t1_ms  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    v_min  REAL NOT NULL,
    v_max  REAL NOT NULL,
    v_sum  REAL NOT NULL,
    body   BLOB NOT NULL                            -- codec.encode(times, [values])
) STRICT;
CREATE INDEX chunk_of ON chunk (series, t0_ms, t1_ms);
CREATE INDEX chunk_age ON chunk (t1_ms);

-- Quarter hours and days of dropped chunks, many slots a row (quarter hours by the week, days by 512).
CREATE TABLE rollup (
    rollup  INTEGER PRIMARY KEY,
    series  INTEGER NOT NULL,
    span_ms INTEGER NOT NULL,                       -- 900000 or 86400000
    t0_ms   INTEGER NOT NULL,                       -- start of the row, a multiple of its length
    body    BLOB NOT NULL,                          -- codec.encode(slot starts, [n, min, max, sum])
    UNIQUE (series, span_ms, t0_ms)
) STRICT;
CREATE INDEX rollup_age ON rollup (span_ms, t0_ms);

-- Latest state per node, one row, one upsert a poll.
CREATE TABLE node_state (
    node_id     TEXT PRIMARY KEY,
    state       TEXT NOT NULL,                      -- ok | warning | down | unknown
    since_ms    INTEGER NOT NULL,
    cause       TEXT NOT NULL DEFAULT '',           -- code of the reason, words are made by the console
    seen_ms     INTEGER,                            -- last good answer
    polled_ms   INTEGER NOT NULL,                   -- last try
    rtt_ms      REAL,
    loss_pct    REAL,                               -- lost polls of the last N
    uptime_s    INTEGER,
    boots       INTEGER,
    load_pct    REAL,
    mem_pct     REAL,
    clients     INTEGER,
    in_bps      REAL,
    out_bps     REAL,
    firmware    TEXT,
    history     TEXT NOT NULL DEFAULT '',           -- 24 digits 0-8: worst loss or load level per hour, newest last
    interfaces  BLOB NOT NULL DEFAULT x'5B5D',      -- JSON list of records.InterfaceState
    calls       BLOB NOT NULL DEFAULT x'5B5D',      -- JSON list of [at_ms, text]: the last real calls
    memory      BLOB NOT NULL DEFAULT x''           -- what health and counters need to go on after a restart
) STRICT, WITHOUT ROWID;

CREATE TABLE snmp_engine (
    node_id    TEXT PRIMARY KEY,
    engine_id  BLOB NOT NULL,
    boots      INTEGER NOT NULL,
    time_s     INTEGER NOT NULL,
    learned_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sensor_state (
    sensor_id    TEXT PRIMARY KEY,
    source       TEXT NOT NULL,                     -- broker name
    name         TEXT NOT NULL DEFAULT '',
    profile      TEXT NOT NULL DEFAULT '',          -- device profile as the server names it
    seen_ms      INTEGER NOT NULL,
    joined_ms    INTEGER,
    session      TEXT NOT NULL DEFAULT '',          -- DevAddr or join
    fcnt         INTEGER,
    received     INTEGER NOT NULL DEFAULT 0,
    duplicates   INTEGER NOT NULL DEFAULT 0,
    gaps         INTEGER NOT NULL DEFAULT 0,        -- uplinks the counter says we never saw
    battery_pct  REAL,
    margin_db    REAL,
    rssi_dbm     REAL,
    snr_db       REAL,
    sf           INTEGER,
    gateways     INTEGER,
    last_log     TEXT NOT NULL DEFAULT '',
    reading      BLOB NOT NULL DEFAULT x'7B7D',     -- JSON: quantity -> last value
    dedup        BLOB NOT NULL DEFAULT x''          -- window of counters seen in this session
) STRICT, WITHOUT ROWID;

-- Messages without a counter that were stored last, so that a second delivery is known (a ring of slots).
CREATE TABLE recent_message (
    slot  INTEGER PRIMARY KEY,
    place INTEGER NOT NULL,                         -- counts up for ever, slot = place modulo the ring's size
    key   BLOB NOT NULL
) STRICT;

CREATE TABLE device_event (
    at_ms     INTEGER NOT NULL,
    sensor_id TEXT NOT NULL,
    kind      TEXT NOT NULL,                        -- join | status | log | ack | txack | location | trap
    body      TEXT NOT NULL
) STRICT;
CREATE INDEX device_event_of ON device_event (sensor_id, at_ms);

-- Counters that must survive a restart (messages received, stored, duplicates, polls ...).
CREATE TABLE tally (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    quarantine_id INTEGER PRIMARY KEY,
    at_ms         INTEGER NOT NULL,
    source        TEXT NOT NULL,
    topic         TEXT NOT NULL,
    kind          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    size          INTEGER NOT NULL,
    body          BLOB NOT NULL,                    -- the raw bytes, the first 64 KiB
    sha256        BLOB NOT NULL,
    retried_ms    INTEGER
) STRICT;
