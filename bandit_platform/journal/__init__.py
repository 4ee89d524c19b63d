"""The journal: append-only files in which a serving process records what it acknowledged.

One JSON line a record, one file a process at a time (a *segment*). Ingest reads the segments and
moves their records into the database; nothing acknowledged waits for a database.
"""
