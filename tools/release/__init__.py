"""Make a release: `python -m tools.release prepare|check|tag VERSION`, or `make release`.

`notes` reads and closes the changelog, `distributions` builds and checks wheel and sdist, `trial` installs them into
empty environments and uses them as a new user would.
"""
