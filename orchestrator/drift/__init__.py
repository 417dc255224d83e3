"""Drift: what the hosts have become since they were last brought to the declared state."""
