"""Everything a user can set for the server: the flags of `kinora serve` and `kinora ui`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shared.config import check, setting, shorten
from shared.errors import InputError
from shared.media.naming import DEFAULT_FOLDER
from ui.jobs.files import PRIVATE

USER_VARIABLE, PASSWORD_VARIABLE = "KINORA_USER", "KINORA_PASSWORD"


@dataclass(frozen=True)
class ServerSettings:
    """One run of `kinora serve` or `kinora ui`.

    Raises:
        InputError: A value out of bounds, or an address that others reach without a password.
    """

    host: str = setting(
        "127.0.0.1", "address to listen on; any but this machine's own wants user and password"
    )
    port: int = setting(7860, "port to listen on; 0 takes a free one", minimum=0, maximum=65535)
    out: Path = setting(DEFAULT_FOLDER, "folder for results and uploads")
    database: Path | None = setting(None, "where jobs are kept", unset=f"{PRIVATE}/jobs.db in --out")
    user: str | None = setting(None, "who may use the server", unset=f"${USER_VARIABLE}")
    password: str | None = setting(
        None, "their password; others on this machine see a flag's value", unset=f"${PASSWORD_VARIABLE}"
    )
    largest_upload: int = setting(1024, "MB of one upload", minimum=1, maximum=1_000_000)

    def __post_init__(self) -> None:
        check(self)
        if (self.user is None) != (self.password is None):
            raise InputError("user and password belong together: give both, or neither")
        for name in ("user", "password"):
            if getattr(self, name) == "" or (name == "user" and ":" in (self.user or "")):
                raise InputError(
                    f"{name} must be text{' without a colon' if name == 'user' else ''}, not empty"
                )

    @property
    def is_private(self) -> bool:
        """Whether nobody beyond this machine reaches the address."""
        return is_loopback(self.host)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password; None where none are asked for."""
        return None if self.user is None or self.password is None else (self.user, self.password)


def from_environment(settings: ServerSettings, environment: Mapping[str, str]) -> ServerSettings:
    """The settings with user and password from the environment, where the flags leave them out.

    Raises:
        InputError: others reach the address, and there is no password.
    """
    if settings.user is None:
        user, password = environment.get(USER_VARIABLE), environment.get(PASSWORD_VARIABLE)
        settings = replace(settings, user=user or None, password=password or None)
    if settings.credentials is None and not settings.is_private:
        raise InputError(
            f"host {shorten(settings.host)} is reached by others: give user and password "
            f"(${USER_VARIABLE}, ${PASSWORD_VARIABLE}), or listen on 127.0.0.1"
        )
    return settings


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
