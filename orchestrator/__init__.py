"""pas-infra: the promises of a Plan d'Assurance Sécurité, kept by roles and proven by checks."""

__version__ = "0.1.0"
