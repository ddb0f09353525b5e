"""Sessions of agents: their events, as hooks and engines report them, and the sessions that follow from these."""
