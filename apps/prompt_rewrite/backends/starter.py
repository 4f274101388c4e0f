"""The small model that comes with Kinora: it knows the toybox's words in six languages, and when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.prompt_rewrite.backends import BeyondReach, OnText, Task
from apps.prompt_rewrite.languages import Language, detect, normal_form
from foundation.checkpoints.registry import STARTER
from shared.config import local_path
from shared.errors import WeightsError

if TYPE_CHECKING:
    from apps.prompt_rewrite.backends.chat_model import ChatModel

FOLDER = STARTER / "prompt_rewrite"
ANSWER_TOKENS = 160
LONGEST_PROMPT = 600
"""Characters; the longest that training makes are half of that."""

NAMED = 4
"""Unknown words that are named at most."""


class StarterBackend:
    """Answers in the plain or structured captions that the starter's video model was trained on.

    Whether it can is decided before the model is asked: every word must be one of those that its training
    prompts are made of. A revision draws another answer.
    """

    name = "starter"
    strict = True

    def __init__(self, folder: str | Path | None = None, device: str = "auto") -> None:
        self.folder = FOLDER if folder is None else local_path(folder)
        self.device = device
        self._chat: ChatModel | None = None
        self._tries = 0

    def propose(self, task: Task, on_text: OnText | None = None) -> str:
        """See `Backend`."""
        spoken = check_reach(task.prompt)
        self._tries = 0 if task.attempt is None else self._tries + 1
        answer = self._load().answer(
            question(spoken.familiar_form(task.prompt), task.mode),
            ANSWER_TOKENS,
            on_text,
            seed=self._tries or None,
        )
        if not answer.strip():
            raise BeyondReach("the starter found no words")
        return answer

    def close(self) -> None:
        """Free the model's memory."""
        if self._chat is not None:
            self._chat.close()
            self._chat = None

    def _load(self) -> ChatModel:
        from apps.prompt_rewrite.backends.chat_model import ChatModel

        if self._chat is None:
            if not (self.folder / "config.json").is_file():
                raise WeightsError(f"{self.folder} holds no rewriter: kinora train rewrite makes it")
            self._chat = ChatModel.load(self.folder, self.device)
        return self._chat


def question(prompt: str, mode: str) -> list[dict[str, str]]:
    """What the small model is asked, in training and in use."""
    return [{"role": "system", "content": mode}, {"role": "user", "content": normal_form(prompt)}]


def check_reach(prompt: str) -> Language:
    """Find out whether the starter has learned every word of a prompt.

    Returns:
        The prompt's language.

    Raises:
        BeyondReach: it has not, or the prompt is longer than any that it was trained on.
    """
    spoken = detect(prompt)
    if spoken is None:
        raise BeyondReach("the starter does not know its language")
    unknown = spoken.unknown(prompt)
    if unknown:
        named = ", ".join(unknown[:NAMED]) + (" and others" if len(unknown) > NAMED else "")
        raise BeyondReach(f"the starter does not know {named}")
    if len(prompt) > LONGEST_PROMPT:
        raise BeyondReach(f"the starter reads {LONGEST_PROMPT} characters, not {len(prompt)}")
    return spoken
