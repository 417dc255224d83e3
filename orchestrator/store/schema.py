"""The tables of the store: migrations, applied in order, never edited once released.

`PRAGMA user_version` counts the migrations that a file has seen.
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # AUTOINCREMENT: evidence refers to a run by its id, so a deleted run's id never comes back.
        # `process` tells the run's process from a later one with the same pid.
        """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            command TEXT NOT NULL,
            environment TEXT NOT NULL,
            who TEXT NOT NULL,
            control_node TEXT NOT NULL,
            pid INTEGER NOT NULL,
            process TEXT NOT NULL,
            git_commit TEXT NOT NULL,
            options TEXT NOT NULL CHECK (json_valid(options)),
            started TEXT NOT NULL,
            ended TEXT,
            status TEXT NOT NULL,
            message TEXT NOT NULL,
            -- nobody saw the end of a broken run
            CHECK ((ended IS NULL) = (status IN ('running', 'broken')))
        ) STRICT
        """,
        """
        CREATE TABLE results (
            id INTEGER PRIMARY KEY,
            run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            host TEXT NOT NULL,
            role TEXT NOT NULL,
            task TEXT NOT NULL,
            action TEXT NOT NULL,
            status TEXT NOT NULL,
            measures TEXT NOT NULL CHECK (json_valid(measures)),
            diff TEXT NOT NULL,
            message TEXT NOT NULL,
            duration REAL NOT NULL,
            path TEXT NOT NULL,
            censored INTEGER NOT NULL,
            handler INTEGER NOT NULL
        ) STRICT
        """,
        "CREATE INDEX results_of_run ON results (run_id, status)",
        """
        CREATE TABLE checks (
            id INTEGER PRIMARY KEY,
            run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            host TEXT NOT NULL,
            name TEXT NOT NULL,
            title TEXT NOT NULL,
            measures TEXT NOT NULL CHECK (json_valid(measures)),
            verdict TEXT NOT NULL,
            message TEXT NOT NULL,
            duration REAL NOT NULL
        ) STRICT
        """,
        "CREATE INDEX checks_of_run ON checks (run_id, verdict)",
        """
        CREATE TABLE recaps (
            run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            host TEXT NOT NULL,
            ok INTEGER NOT NULL,
            changed INTEGER NOT NULL,
            skipped INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            unreachable INTEGER NOT NULL,
            ignored INTEGER NOT NULL,
            rescued INTEGER NOT NULL,
            PRIMARY KEY (run_id, host)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        # The hash chain (see links.py); a run that was taken for dead and then ended has two links.
        # `lines` are the short sums of the record's lines: they tell which one was changed.
        """
        CREATE TABLE links (
            position INTEGER PRIMARY KEY,
            run_id INTEGER NOT NULL REFERENCES runs (id),
            status TEXT NOT NULL,
            chained TEXT NOT NULL,
            how TEXT NOT NULL,
            record TEXT NOT NULL,
            link TEXT NOT NULL,
            lines TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX links_of_run ON links (run_id)",
    ),
    (
        # What shaped an apply: what has changed since may be why a host differs.
        """
        CREATE TABLE inputs (
            run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            digest TEXT NOT NULL,
            PRIMARY KEY (run_id, name)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE drift_hosts (
            run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            host TEXT NOT NULL,
            complete INTEGER NOT NULL,
            findings INTEGER NOT NULL,
            new INTEGER NOT NULL,
            pending INTEGER NOT NULL,
            accepted INTEGER NOT NULL,
            blind INTEGER NOT NULL,
            coverage REAL NOT NULL,
            seconds REAL NOT NULL,
            why TEXT NOT NULL,
            PRIMARY KEY (run_id, host)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE sightings (
            run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            identity TEXT NOT NULL,
            host TEXT NOT NULL,
            kind TEXT NOT NULL,
            object_kind TEXT NOT NULL,
            name TEXT NOT NULL,
            eye TEXT NOT NULL,
            severity INTEGER NOT NULL,
            measures TEXT NOT NULL CHECK (json_valid(measures)),
            seen TEXT NOT NULL,
            role TEXT NOT NULL,
            checks TEXT NOT NULL CHECK (json_valid(checks)),
            cause TEXT NOT NULL,
            because TEXT NOT NULL,
            accepted_until TEXT NOT NULL,
            first_seen TEXT NOT NULL,
            new INTEGER NOT NULL,
            PRIMARY KEY (run_id, identity)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX sightings_of_finding ON sightings (identity, run_id)",
        # What no later look has found gone: the same deviation that comes back is a new one.
        """
        CREATE TABLE open_findings (
            identity TEXT PRIMARY KEY,
            host TEXT NOT NULL,
            role TEXT NOT NULL,
            first_seen TEXT NOT NULL,
            last_run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        # What was accepted stays so when the run that did it is deleted.
        """
        CREATE TABLE baselines (
            host TEXT PRIMARY KEY NOT NULL,
            run_id INTEGER REFERENCES runs (id) ON DELETE SET NULL,
            accepted TEXT NOT NULL,
            objects TEXT NOT NULL CHECK (json_valid(objects))
        ) STRICT
        """,
    ),
    (
        # What hosts are made of, each content once: most nights nothing changes. Which run found it
        # on which host, its record says (`inputs`), and so the chain: the content is no part of it.
        """
        CREATE TABLE inventories (
            digest TEXT PRIMARY KEY NOT NULL,
            content TEXT NOT NULL CHECK (json_valid(content))
        ) STRICT
        """,
    ),
)
