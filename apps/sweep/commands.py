"""What a sweep can run: the commands that make clips, sounds and films."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from apps.film.rewriting import carry_out, with_rewriting

if TYPE_CHECKING:
    from foundation.runtime.host import Host


@dataclass(frozen=True)
class Command:
    """A command that makes files.

    Attributes:
        request: module and name of its request.
        maker: module of its `make`.
        rewrites: whether the rewriter's settings come from outside, see `apps.film.rewriting`.
    """

    request: tuple[str, str]
    maker: str
    rewrites: bool = False

    @property
    def own(self) -> type[Any]:
        """Its request."""
        module, name = self.request
        return getattr(import_module(module), name)

    def schema(self) -> type[Any]:
        """Its request with the rewriter's settings, where it takes them."""
        return with_rewriting(self.own) if self.rewrites else self.own

    def run(self, request: Any, host: Host) -> None:
        """Carry a request out."""
        make = import_module(self.maker).make
        if self.rewrites:
            carry_out(self.own, make, request, host)
        else:
            make(request, host=host)


COMMANDS = {
    "t2v": Command(("foundation.t2v.request", "TextToVideoRequest"), "foundation.t2v.cli", rewrites=True),
    "i2v": Command(("apps.i2v.request", "ImageToVideoRequest"), "apps.i2v.cli", rewrites=True),
    "v2a": Command(("apps.v2a.request", "VideoToAudioRequest"), "apps.v2a.cli"),
    "film": Command(("apps.film.request", "FilmRequest"), "apps.film.run"),
}


def suffix_of(request: Any) -> str:
    """The suffix of the one file that a request makes."""
    from apps.v2a.request import VideoToAudioRequest

    if isinstance(request, VideoToAudioRequest):
        own = "" if request.video is None else request.video.suffix.lower()
        return {"": ".wav", ".mkv": ".mkv", ".webm": ".mkv"}.get(own, ".mp4")
    still = request.frames == 1
    return f".{getattr(request, 'format', None) or ('png' if still else 'mp4')}"
