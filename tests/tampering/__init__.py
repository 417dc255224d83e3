"""What is broken on a host on purpose, and what must see it."""
