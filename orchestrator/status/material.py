"""What the subjects are made of: the environment, its store as far as it can be read, the time."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.store import Store


@dataclass(frozen=True)
class Material:
    """`store` is an error that says why where it cannot be read, and None where there is none."""

    environment: Environment
    store: Store | PasInfraError | None
    max_age: timedelta
    now: datetime

    @property
    def today(self) -> date:
        """The day on which everything is judged."""
        return self.now.date()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the hosts."""
        return tuple(host.name for host in self.environment.hosts)

    def opened(self) -> Store:
        """The store; raises PasInfraError where nothing can be read of it."""
        if self.store is None:
            raise PasInfraError(
                "nothing was recorded yet",
                where=self.environment.store_directory,
                next_step=f"pas-infra verify --env {self.environment.name}",
            )
        if isinstance(self.store, PasInfraError):
            raise self.store
        return self.store
