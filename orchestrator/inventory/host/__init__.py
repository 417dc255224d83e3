"""What runs on a host, as root, and writes nothing: its own Python suffices."""
