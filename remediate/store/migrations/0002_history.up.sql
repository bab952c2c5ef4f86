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
CREATE TABLE finding (
	repository  BIGINT NOT NULL,
	branch      TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	policy      TEXT NOT NULL,
	severity    TEXT NOT NULL,
	first       BIGINT NOT NULL, -- ms; seen
	PRIMARY KEY (repository, branch, fingerprint)
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
