-- Links a person declared (imported): they count where nothing was measured between the two nodes.
CREATE TABLE declared_link (
    a           TEXT NOT NULL,                      -- the end whose node id sorts first
    b           TEXT NOT NULL,
    band        TEXT NOT NULL,
    quality_pct REAL,
    changed_ms  INTEGER NOT NULL,
    PRIMARY KEY (a, b, band)
) STRICT, WITHOUT ROWID;

-- Maintenance: nodes whose alarms, and those of everything behind them, are held back.
CREATE TABLE maintenance (
    window_id  TEXT PRIMARY KEY,                    -- uuid7
    expression TEXT NOT NULL,                       -- a filter of nodes, as the node list takes it
    zone       TEXT NOT NULL,                       -- IANA time zone of start and of every recurrence
    starts     TEXT NOT NULL,                       -- local time, YYYY-MM-DDTHH:MM
    minutes    INTEGER NOT NULL,
    repeats    TEXT NOT NULL DEFAULT '',            -- '' | daily | weekly
    until_ms   INTEGER,                             -- no recurrence starts after
    reason     TEXT NOT NULL,
    actor      TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    ended_ms   INTEGER
) STRICT, WITHOUT ROWID;
