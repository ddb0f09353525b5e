"""Redaction: which data must not leave the process, and the code that replaces it."""
