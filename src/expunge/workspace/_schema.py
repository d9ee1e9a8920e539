"""The tables of a workspace, as a list of migrations. Each brings the database from one version to the next.

The tables are what a workspace works with; the ledger beside them is what it can show. Every row of `move` and
`artefact` has the number of the ledger entry that was committed with it.
"""

_FIRST = (
    """CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY,
        entry BLOB NOT NULL,
        checkpoint TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE request (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        targets TEXT NOT NULL,        -- JSON
        received TEXT NOT NULL,
        due TEXT NOT NULL,
        reason TEXT,
        images INTEGER NOT NULL,
        images_sha256 TEXT NOT NULL,
        destroyed TEXT,
        held_from TEXT,
        approved_by TEXT,
        legal_hold INTEGER NOT NULL,
        subject TEXT,                 -- keyed digest
        token TEXT UNIQUE             -- keyed digest
    ) STRICT""",
    "CREATE INDEX request_by_state ON request (state, due, received)",
    """CREATE TABLE image (
        request TEXT NOT NULL REFERENCES request (id),
        target INTEGER NOT NULL,      -- position among the request's targets
        sha256 TEXT NOT NULL,
        format TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (request, target, sha256)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE move (
        seq INTEGER PRIMARY KEY REFERENCES ledger (seq),
        request TEXT REFERENCES request (id),  -- NULL: the workspace as a whole
        before TEXT,
        after TEXT NOT NULL,
        actor TEXT NOT NULL,
        role TEXT NOT NULL,
        time TEXT NOT NULL,
        reason TEXT,
        code TEXT,
        clock_back INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX move_by_request ON move (request)",
    "CREATE INDEX move_by_time ON move (time)",
    """CREATE TABLE artefact (
        seq INTEGER PRIMARY KEY REFERENCES ledger (seq),
        request TEXT REFERENCES request (id),
        role TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        bytes INTEGER
    ) STRICT""",
    "CREATE INDEX artefact_by_request ON artefact (request)",
    """CREATE TABLE plan (
        id INTEGER PRIMARY KEY,
        owner TEXT NOT NULL,
        epoch INTEGER NOT NULL,       -- grows with every takeover, so that an old owner is known as one
        expires TEXT NOT NULL,
        finished TEXT
    ) STRICT""",
    """CREATE TABLE planned (
        plan INTEGER NOT NULL REFERENCES plan (id),
        request TEXT NOT NULL REFERENCES request (id),
        PRIMARY KEY (plan, request)
    ) STRICT, WITHOUT ROWID""",
)

MIGRATIONS = (_FIRST,)
VERSION = len(MIGRATIONS)
