"""The checks of `ael doctor`: each reads one part of an installation or of the stack, and changes nothing.

A check is a function that returns findings; `examine` (`finding.py`) runs them in order, each within a time limit.
"""
