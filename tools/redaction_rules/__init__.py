"""Writes what is made from the table of rules: the tables of docs/privacy.md and the Collector's redaction."""
