"""What several suites share: checkers that are tested themselves, and what a test may require."""
