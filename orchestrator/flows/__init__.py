"""The flow matrix as declared, beside what the live hosts really listen on and let through."""
