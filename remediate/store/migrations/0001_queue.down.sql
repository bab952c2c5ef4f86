DROP TABLE duty;
DROP TABLE delivery;
DROP TABLE task;
DROP TABLE repository;
DROP TABLE process;
