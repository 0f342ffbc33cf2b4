"""Real servers on this machine, for the tests and for ``bench/``; no user needs them."""
