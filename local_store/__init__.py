"""What we know: two SQLite files and everything that touches them. No network, no clock."""
