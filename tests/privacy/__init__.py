"""Secrets planted in everything a run takes in, and a search of everything that comes out."""
