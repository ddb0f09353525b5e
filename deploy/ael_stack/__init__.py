"""What `deploy/stack.py` is made of. Standard library only: it must run, and explain itself, anywhere."""
