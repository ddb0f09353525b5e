"""The test suite; a package, so that no installed one of the same name can take its place."""
