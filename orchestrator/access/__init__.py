"""Access: who may do what on which host, granted, revoked, seen on the hosts and reviewed."""
