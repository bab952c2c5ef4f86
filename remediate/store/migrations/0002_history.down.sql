DROP TABLE pull;
DROP TABLE finding;
DROP TABLE scan;
