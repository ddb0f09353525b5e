"""Find secrets in stored data, and rewrite it without them."""
