CREATE TABLE audit (
	id         {{.Serial}},
	at         BIGINT NOT NULL, -- ms
	repository BIGINT NOT NULL,
	actor      TEXT NOT NULL,
	action     TEXT NOT NULL,
	subject    TEXT NOT NULL,
	result     TEXT NOT NULL,
	delivery   TEXT NOT NULL
);
CREATE INDEX audit_repository ON audit(repository, id);

-- What is written there stays as it is.
{{if .SQLite -}}
CREATE TRIGGER audit_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END;
{{else -}}
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'the audit trail is append only'; END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
	FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
{{end}}
-- Random secrets that sign what oakum must know again.
CREATE TABLE secret (
	name  TEXT PRIMARY KEY,
	value {{.Bytes}} NOT NULL
);
