"""What must not leave the process, and the code that keeps it in."""
