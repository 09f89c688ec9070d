-- Series that are measured together share one row of times; a chunk without one (`times` is NULL) holds its times itself.
CREATE TABLE times (
    times INTEGER PRIMARY KEY,
    refs  INTEGER NOT NULL,                         -- chunks that use it; goes with the last of them
    body  BLOB NOT NULL                             -- codec.encode([times])
) STRICT;
ALTER TABLE chunk ADD COLUMN times INTEGER;

-- What all chunks hold together, kept in each transaction that adds or removes some: nobody counts them by reading.
CREATE TABLE held (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    chunks  INTEGER NOT NULL,
    samples INTEGER NOT NULL
) STRICT;
INSERT INTO held SELECT 1, count(*), ifnull(sum(n), 0) FROM chunk;
