"""The secrets of an environment in clear, for the one purpose of keeping them out of records."""

from collections.abc import Iterator, Mapping

import yaml

from orchestrator.environment.model import Environment
from orchestrator.environment.vault import decrypt, read_password

_WHOLE_FILE = "$ANSIBLE_VAULT"
_SHORTEST = 4  # characters; shorter texts would black out what is no secret


class _Loader(yaml.SafeLoader):
    """Reads `!vault` scalars as marked ciphertexts, and other tags as plain values."""


class _Ciphertext(str):
    __slots__ = ()


_Loader.add_constructor("!vault", lambda _, node: _Ciphertext(node.value))
_Loader.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))


def clear_secrets(environment: Environment) -> frozenset[str]:
    """Every secret text of the environment, and each line of those that have several.

    The caller keeps it in memory only. Empty when nothing is secret; the vault password is asked
    for only when something is vaulted. Raises PasInfraError when it cannot be had.
    """
    found = {*_vaulted(environment), *_leaves(environment.secrets.of)}
    lines = {line.strip() for secret in found for line in secret.splitlines()}
    return frozenset(text for text in found | lines if len(text) >= _SHORTEST)


def _vaulted(environment: Environment) -> Iterator[str]:
    texts = {path: path.read_text() for path in environment.files if path.suffix == ".yml"}
    vaulted = {path: text for path, text in texts.items() if _WHOLE_FILE in text}
    if not vaulted or environment.vault is None:
        return
    password = read_password(environment.vault, environment.directory)
    for text in vaulted.values():
        yield from _secrets(text, password)


def _secrets(text: str, password: bytes) -> Iterator[str]:
    if text.startswith(_WHOLE_FILE):
        yield from _leaves(yaml.load(decrypt(text, password), Loader=_Loader))  # noqa: S506 - safe
        return
    for leaf in _leaves(yaml.load(text, Loader=_Loader)):  # noqa: S506 - a SafeLoader
        if isinstance(leaf, _Ciphertext):
            yield decrypt(leaf, password)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, str):
        yield value
