-- A process that works. A row that is not renewed in time is deleted by another
-- process, which sets what it had claimed free (see repository.process).
CREATE TABLE process (
	id   TEXT PRIMARY KEY,
	beat BIGINT NOT NULL -- ms, by the clock of the database
);

-- A repository, and the turn of the one worker that may do its tasks.
CREATE TABLE repository (
	id           BIGINT PRIMARY KEY, -- the forge's; -installation for tasks on an installation
	installation BIGINT NOT NULL,
	name         TEXT NOT NULL,
	ready        BIGINT NOT NULL,    -- ms; when its next task is due
	process      TEXT REFERENCES process(id) ON DELETE SET NULL,
	claim        BIGINT NOT NULL,    -- rises with every claim
	doing        BIGINT              -- the task that the claim's holder does
);
CREATE INDEX repository_ready ON repository(ready) WHERE process IS NULL;
CREATE INDEX repository_process ON repository(process) WHERE process IS NOT NULL;

CREATE TABLE task (
	id         {{.Serial}},
	repository BIGINT NOT NULL REFERENCES repository(id),
	kind       TEXT NOT NULL,
	key        TEXT NOT NULL,
	data       TEXT NOT NULL,
	version    BIGINT NOT NULL, -- rises when a newer one replaces it
	since      BIGINT NOT NULL, -- ms
	ready      BIGINT NOT NULL, -- ms; not before
	attempts   BIGINT NOT NULL, -- that failed
	begun      BIGINT NOT NULL, -- times begun and not ended: that many processes died of it, or with it
	parked     BOOLEAN NOT NULL,
	reason     TEXT NOT NULL,   -- of the last failure
	UNIQUE (repository, kind, key)
);

CREATE TABLE delivery (
	digest     {{.Bytes}} PRIMARY KEY, -- of event and body
	id         TEXT NOT NULL,
	event      TEXT NOT NULL,
	action     TEXT NOT NULL,
	repository BIGINT NOT NULL,
	received   BIGINT NOT NULL -- ms
);
CREATE INDEX delivery_received ON delivery(received);

-- What one process does for all, once in a while.
CREATE TABLE duty (
	name TEXT PRIMARY KEY,
	done BIGINT NOT NULL -- ms
);
