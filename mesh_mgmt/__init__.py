"""What the network is: inventory, health, alerts, counters. No socket, no SQL outside the store."""
