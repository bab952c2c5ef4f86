DROP TABLE secret;
DROP TABLE audit;
{{if not .SQLite}}DROP FUNCTION audit_append_only();{{end}}
