CREATE TABLE scan (
	repository BIGINT NOT NULL,
	branch     TEXT NOT NULL,
	hash       TEXT NOT NULL, -- of the commit
	at         BIGINT NOT NULL, -- ms
	score      BIGINT NOT NULL,
	counts     TEXT NOT NULL, -- JSON: severity -> number
	PRIMARY KEY (repository, branch, at, hash)
);

-- The findings that the last scan of a branch left open.
CREATE TABLE branch (
	repository BIGINT NOT NULL,
	branch     TEXT NOT NULL,
	at         BIGINT NOT NULL,   -- ms; of the scan
	findings   {{.Bytes}} NOT NULL, -- gzip of JSON: fingerprint -> policy, severity, first seen (ms)
	PRIMARY KEY (repository, branch)
);

CREATE TABLE pull (
	repository BIGINT NOT NULL,
	number     BIGINT NOT NULL,
	branch     TEXT NOT NULL,
	title      TEXT NOT NULL,
	state      TEXT NOT NULL,
	findings   TEXT NOT NULL, -- JSON: fingerprints
	decision   TEXT NOT NULL,
	why        TEXT NOT NULL,
	updated    BIGINT NOT NULL, -- ms
	PRIMARY KEY (repository, number)
);
