"""What the city does: operations and city services on top of store and network."""
