"""The documentation site beyond its pages: `pages` is a hook of MkDocs, `cli_reference` writes one page."""
