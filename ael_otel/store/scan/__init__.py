"""Looking for secrets in what is stored already, and rewriting it without them."""
