-- Packed rows that did not unpack, as they were: set aside so that everything beside them goes on.
CREATE TABLE damaged (
    damaged_id INTEGER PRIMARY KEY,
    place      TEXT NOT NULL,                       -- tail | bundle | chunk | rollup
    number     INTEGER NOT NULL,                    -- of the row there
    s0         INTEGER,                             -- first and last series; NULL where only the body knows
    s1         INTEGER,
    t0_ms      INTEGER NOT NULL,
    t1_ms      INTEGER NOT NULL,
    n          INTEGER NOT NULL,                    -- measurements lost with it
    reason     TEXT NOT NULL,
    body       BLOB NOT NULL,
    times      BLOB,                                -- of a chunk: the row of times it shared
    at_ms      INTEGER                              -- when upkeep counted it first
) STRICT;
