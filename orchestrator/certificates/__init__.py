"""Every certificate on every host, found by looking: in files, and behind listeners."""
