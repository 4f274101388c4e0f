"""Everything a user can set for a rewrite: flags, HTTP body, form and receipt are made from it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from foundation.t2v.request import check_prompt
from shared.config import check, setting, shorten
from shared.errors import InputError

Mode = Literal["normal", "master"]
BackendName = Literal["starter", "local", "server"]

Rewriter = TypeVar("Rewriter", bound="RewriterSettings")

URL_VARIABLE, KEY_VARIABLE = "KINORA_REWRITE_URL", "KINORA_REWRITE_KEY"


@dataclass(frozen=True)
class RewriterSettings:
    """Who rewrites, and how.

    Raises:
        InputError: A value out of bounds, or two settings that contradict each other.
    """

    mode: Mode = setting("normal", "normal says it clearly, master adds composition, lighting and camera")
    into: str = setting("English", "language of the rewrite; the starter writes English only")
    backend: BackendName = setting(
        "starter", "starter: the small model here; local: a chat model in a folder; server: OpenAI's protocol"
    )
    model: str | None = setting(
        None,
        "local: the model's folder, or an adapter's; server: the model's name",
        unset="the starter's own",
    )
    url: str | None = setting(
        None, "server: base address, such as http://localhost:8000/v1", unset=f"${URL_VARIABLE}", local=True
    )
    key: str | None = setting(None, "server: its key", unset=f"${KEY_VARIABLE}", local=True)
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "where a local model runs")
    rounds: int = setting(2, "revisions of a rewrite that lost or added something", minimum=0, maximum=10)
    timeout: float = setting(60.0, "server: seconds for a whole answer", minimum=0.1, maximum=3600)
    retries: int = setting(2, "server: further tries when it does not answer", minimum=0, maximum=10)
    fallback: bool = setting(False, "use the prompt as it is when the server fails")

    def __post_init__(self) -> None:
        check(self)
        if not self.into.strip() or len(self.into) > 40:
            raise InputError(f"into must name a language, not {shorten(self.into)}")
        if self.backend == "starter" and self.into.strip().lower() != "english":
            raise InputError(
                f"into: the starter writes English only, not {shorten(self.into)}: use backend local or server"
            )
        if self.backend != "server" and (self.url is not None or self.key is not None):
            raise InputError(f"url and key belong to backend server, not to {self.backend}")
        if self.backend != "starter" and not self.model:
            wanted = (
                "the folder of a chat model" if self.backend == "local" else "the name the server has it by"
            )
            raise InputError(f"backend {self.backend} needs model: {wanted}")
        if self.url is not None:
            check_url(self.url)


@dataclass(frozen=True)
class RewriteRequest(RewriterSettings):
    """One run of `kinora rewrite`.

    Raises:
        InputError: As `RewriterSettings`, or a prompt that is none.
    """

    prompt: str | None = setting(None, "what the clip shall show, in any language")
    batch: Path | None = setting(
        None, "a text file with one prompt per line, instead of a prompt", metavar="FILE", local=True
    )
    diff: bool = setting(False, "also show what changed, word by word")
    collect: Path | None = setting(
        None, "append each pair of prompt and rewrite, to train on", metavar="PAIRS.jsonl", local=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.prompt is None) == (self.batch is None):
            raise InputError(
                "give either a prompt or batch" + (", not both" if self.prompt is not None else "")
            )
        if self.prompt is not None:
            check_text(self.prompt)


def from_environment(request: Rewriter, environment: Mapping[str, str]) -> Rewriter:
    """The settings with address and key from the environment, for backend server only.

    Raises:
        InputError: The server has no address, neither in the settings nor in the environment.
    """
    if request.backend != "server":
        return request
    url = request.url or environment.get(URL_VARIABLE)
    if not url:
        raise InputError(f"backend server needs an address: give url, or set {URL_VARIABLE}")
    return replace(request, url=url, key=request.key or environment.get(KEY_VARIABLE) or None)


def check_text(prompt: str, name: str = "prompt") -> None:
    """Refuse what is no prompt: nothing, too much, or characters that no keyboard types.

    Raises:
        InputError: Blank, longer than a text encoder reads, or with control characters.
    """
    check_prompt(prompt, name)
    for place, char in enumerate(prompt, 1):
        if unicodedata.category(char) == "Cc" and char not in "\n\r\t":
            raise InputError(f"{name} has the control character U+{ord(char):04X} at {place}: text is wanted")


def check_url(url: str) -> None:
    """Refuse what is no address of a server.

    Raises:
        InputError: No http or https, no host or one that no name server takes, a port that is none, or a query;
            text that no encoding takes.
    """
    try:
        parts = urlsplit(url)
        url.encode()
        (parts.hostname or "").encode("idna")
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits or parts.query or parts.fragment:
        raise InputError(f"url must be like http://localhost:8000/v1, not {shorten(url)}")
