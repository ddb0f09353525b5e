"""Code shared by several suites: checkers with their own tests, and requirements of tests."""
