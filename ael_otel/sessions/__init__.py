"""Sessions of agents: the events that hooks and engines report, and the sessions built from them."""
