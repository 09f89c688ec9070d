"""How to talk to devices and brokers. No SQL, no wall clock."""
