"""How Ansible goes about its tasks: by Mitogen or by itself, and what makes either faster."""

import importlib.util
from pathlib import Path

from orchestrator.engine.request import Strategy
from orchestrator.errors import PasInfraError

_CALLBACK_PLUGINS = Path(__file__).parent / "callback_plugins"


def mitogen_plugins() -> Path | None:
    """The directory of Mitogen's strategy plugins, or None where Mitogen is not installed."""
    found = importlib.util.find_spec("ansible_mitogen")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / "plugins" / "strategy"


def default_strategy() -> Strategy:
    """Mitogen where it is installed, the stock strategy elsewhere."""
    return Strategy.MITOGEN if mitogen_plugins() else Strategy.LINEAR


def strategy_variables(strategy: Strategy) -> dict[str, str]:
    """The environment variables that have Ansible run by this strategy.

    Raises PasInfraError when Mitogen is asked for and not installed.
    """
    variables = {
        "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACK_PLUGINS),
        "ANSIBLE_CALLBACKS_ENABLED": "pas_infra_warm_up",
        "ANSIBLE_STRATEGY": "linear",
    }
    if strategy is Strategy.MITOGEN:
        plugins = mitogen_plugins()
        if plugins is None:
            raise PasInfraError(
                "the strategy mitogen is asked for, and Mitogen is not installed",
                next_step="pip install mitogen, or use --strategy linear",
            )
        variables["ANSIBLE_STRATEGY"] = "mitogen_linear"
        variables["ANSIBLE_STRATEGY_PLUGINS"] = str(plugins)
    return variables
