"""Tables of a PostgresStore, and the statements on them.

    documents    key → sealed bytes (head, pointers, gradients, leases, releases, states)
    versions     one row per version: the sealed version, found by its number or by its commit
    pushes       gradients that were pushed and not yet summed
    writers      the last change of every client, written in the same transaction

All text in them is ASCII, whatever the encoding of the database.
"""

from __future__ import annotations

FORMAT = 1
LOCK = "SELECT pg_advisory_xact_lock(%s)"
CREATE = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE {schema}.paragrad_format (version integer NOT NULL);
CREATE TABLE {schema}.documents (key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE {schema}.versions (
    id text COLLATE "C" NOT NULL, ordinal bigint NOT NULL, version bigint NOT NULL, value bytea NOT NULL, PRIMARY KEY (id, ordinal));
CREATE UNIQUE INDEX ON {schema}.versions (id, version, ordinal);
CREATE TABLE {schema}.pushes (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text COLLATE "C" NOT NULL, value bytea NOT NULL);
CREATE INDEX ON {schema}.pushes (key);
CREATE TABLE {schema}.writers (id text PRIMARY KEY, number bigint NOT NULL, seen timestamptz NOT NULL DEFAULT now());
ALTER TABLE {schema}.documents ALTER value SET STORAGE EXTERNAL;
ALTER TABLE {schema}.versions ALTER value SET STORAGE EXTERNAL;
ALTER TABLE {schema}.pushes ALTER value SET STORAGE EXTERNAL;
INSERT INTO {schema}.paragrad_format VALUES (1);
CREATE FUNCTION {schema}.paragrad_write(
    turn bigint, writer text, change bigint, known text[], seen bytea[], keys text[], payloads bytea[],
    ids text[], ordinals bigint[], commits bigint[], sealed bytea[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(turn);
    IF EXISTS (SELECT FROM writers w WHERE w.id = writer AND w.number >= change) THEN RETURN 1; END IF;
    IF EXISTS (SELECT FROM unnest(known, seen) k (key, value) WHERE NOT EXISTS (
        SELECT FROM documents d WHERE d.key = k.key AND d.value = k.value)) THEN RETURN 0; END IF;
    INSERT INTO writers AS w VALUES (writer, change) ON CONFLICT (id) DO UPDATE SET number = excluded.number, seen = now();
    INSERT INTO documents AS d SELECT * FROM unnest(keys, payloads) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    INSERT INTO versions SELECT * FROM unnest(ids, ordinals, commits, sealed);
    RETURN 1;
END $$;
"""
"""``paragrad_write`` writes documents and versions in one round trip, if the documents known are still as they were seen (1), or not (0)."""
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
FORGET = "DELETE FROM writers WHERE seen < now() - interval '7 days'"
SETTINGS = "SELECT current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off'"

CLAIM = """
INSERT INTO writers AS w (id, number) VALUES (%s, %s)
ON CONFLICT (id) DO UPDATE SET number = excluded.number, seen = now() WHERE w.number < excluded.number RETURNING 1
"""
WRITE = "SELECT paragrad_write(%s, %s, %s, %b, %b, %b, %b, %b, %b, %b, %b)"
READ = "SELECT key, value, NULL::bigint FROM documents WHERE key = ANY(%s)"
READ_ALL = f"{READ} UNION ALL SELECT key, value, number FROM pushes WHERE key = ANY(%s) ORDER BY 3 NULLS FIRST"
PUT = "INSERT INTO documents (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
DROP = "DELETE FROM documents WHERE key = ANY(%s)"
TAKE = "DELETE FROM pushes WHERE number = ANY(%s)"
EMPTY = "DELETE FROM pushes WHERE key = ANY(%s)"
ADD = "INSERT INTO versions (id, ordinal, version, value) VALUES (%s, %s, %s, %s)"
APPEND = """
WITH fit AS (SELECT 1 FROM documents WHERE key = %(fit_key)s AND value = %(fit)s FOR SHARE),
claim AS (
    INSERT INTO writers AS w (id, number) SELECT %(writer)s, %(number)s WHERE EXISTS (SELECT FROM fit)
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, seen = now() WHERE w.number < excluded.number RETURNING 1),
mark AS (
    INSERT INTO documents (key, value) SELECT %(mark)s::text, %(sealed)s::bytea
    WHERE %(mark)s::text IS NOT NULL AND EXISTS (SELECT FROM claim) ON CONFLICT DO NOTHING RETURNING 1),
added AS (
    INSERT INTO pushes (key, value) SELECT %(list)s, %(entry)s
    WHERE EXISTS (SELECT FROM claim) AND (%(mark)s::text IS NULL OR EXISTS (SELECT FROM mark)) RETURNING 1)
SELECT EXISTS (SELECT FROM fit), (SELECT count(*) FROM added)
"""
"""Whether the push fits; it is added if it does and this change is new, and if its mark is."""
NEWEST = """
SELECT d.value, v.ordinal, v.value FROM documents d
LEFT JOIN LATERAL (SELECT ordinal, value FROM versions WHERE id = %s ORDER BY ordinal DESC LIMIT 1) v ON true WHERE d.key = %s
"""
POINTER = "SELECT value FROM documents WHERE key = %s"
AT = """
SELECT v.ordinal, v.value, (SELECT n.ordinal FROM versions n WHERE n.id = v.id AND n.version > v.version ORDER BY n.version LIMIT 1)
FROM versions v WHERE v.id = %s AND v.version <= %s ORDER BY v.version DESC LIMIT 1
"""
EVERY = "SELECT ordinal, value FROM versions WHERE id = %s ORDER BY ordinal"
KEYS = "SELECT key FROM documents WHERE starts_with(key, %s)"
"""Primary keys are in C collation, so a prefix is a range; ``starts_with`` reads the index where the planner can."""
