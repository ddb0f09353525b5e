"""Generate the tables of docs/explanation/privacy.md and the Collector's redaction from the table of rules."""
