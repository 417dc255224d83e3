"""Secrets are blacked out of every text that is kept, in the forms in which Ansible shows them."""

import base64
import json
import re
from collections.abc import Callable, Iterable

REDACTED = "•••"


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """What blacks the secrets out of a text, also where they stand in JSON, quoted or in base64."""
    forms = {form for secret in secrets for form in _forms(secret)}
    if not forms:
        return lambda text: text
    # The longest first: one secret may be a part of another.
    pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
    return lambda text: pattern.sub(REDACTED, text)


def _forms(secret: str) -> set[str]:
    as_json = {json.dumps(secret, ensure_ascii=escape)[1:-1] for escape in (True, False)}
    return {secret, repr(secret)[1:-1], base64.b64encode(secret.encode()).decode(), *as_json}
