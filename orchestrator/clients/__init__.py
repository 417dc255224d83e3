"""The clients of the service, and the encrypted volume of each."""

from orchestrator.clients.listing import ClientList, ClientState, Volume, list_clients
from orchestrator.clients.offboard import Interaction, Offboarded, offboard
from orchestrator.clients.rotate import Rotated, rotate
from orchestrator.clients.volumes import Added, Opened, add, client_of, open_all

__all__ = [
    "Added",
    "ClientList",
    "ClientState",
    "Interaction",
    "Offboarded",
    "Opened",
    "Rotated",
    "Volume",
    "add",
    "client_of",
    "list_clients",
    "offboard",
    "open_all",
    "rotate",
]
