"""Vulnerabilities: what Debian's security tracker knows of the packages that hosts run."""
