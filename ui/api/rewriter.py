"""The rewriter behind OpenAI's protocol: a process of its own that answers one line of JSON with another.

`python -m ui.api.rewriter` is started at the first question and ended after some minutes without one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from shared.errors import InputError, KinoraError, ResourceError

IDLE = 300.0
"""Seconds without a question after which the model's memory is given back."""

_LONGEST_LINE = 1 << 22


class Rewriter:
    """Asks the process; one question at a time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._end: asyncio.TimerHandle | None = None

    async def __call__(self, prompt: str, mode: str) -> str:
        """The rewrite of a prompt.

        Raises:
            InputError: the prompt is refused.
            ResourceError: the process ended.
        """
        async with self._turn:
            try:
                answer = await self._asked({"prompt": prompt, "mode": mode})
            except BaseException:  # a half-read answer would be taken for the next one
                self._kill()
                raise
            self._wait_for_more()
        if "error" in answer:
            raise InputError(answer["error"])
        return answer["text"]

    async def _asked(self, question: dict[str, str]) -> dict[str, Any]:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "ui.api.rewriter",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LONGEST_LINE,
                process_group=0,  # Ctrl-C is for the server, with which this ends
            )  # fmt: skip
        sink, source = self._process.stdin, self._process.stdout
        assert sink is not None and source is not None
        try:
            sink.write(json.dumps(question).encode() + b"\n")
            await sink.drain()
            return json.loads(await source.readline())
        except (OSError, ValueError) as error:
            raise ResourceError("the rewriter ended before it answered: try again") from error

    def _wait_for_more(self) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(IDLE, self._end_unless_busy)

    def _end_unless_busy(self) -> None:
        if not self._turn.locked():
            self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._process = None

    async def close(self) -> None:
        """End the process."""
        if self._end is not None:
            self._end.cancel()
        self._kill()


def main() -> None:
    """Answer the questions on standard input, as long as it is open."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer

    from apps.prompt_rewrite.pipeline import PromptRewriter

    with PromptRewriter.from_pretrained() as rewriter:
        for line in sys.stdin:
            try:
                answer = {"text": rewriter(**json.loads(line)).text}
            except KinoraError as error:
                answer = {"error": " ".join(str(error).split())}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
