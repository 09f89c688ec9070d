"""A mesh of small nodes in network namespaces on this machine; never touches anything outside its own prefix."""
