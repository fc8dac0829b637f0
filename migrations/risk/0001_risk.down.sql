DROP TABLE decision;
DROP TABLE rule_set;
DROP TABLE listed;
DROP TABLE usage;
