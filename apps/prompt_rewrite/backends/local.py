"""Any chat model in a folder, through transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.prompt_rewrite.backends import OnText, Task
from apps.prompt_rewrite.instructions import messages
from shared.config import local_path
from shared.errors import WeightsError

if TYPE_CHECKING:
    from apps.prompt_rewrite.backends.chat_model import ChatModel

ANSWER_TOKENS = 512


class LocalBackend:
    """Loads the model at the first prompt and frees it with `close`, before the video model needs the memory."""

    name = "local"
    strict = False

    def __init__(self, folder: str, device: str = "auto") -> None:
        self.folder, self.device = local_path(folder), device
        self._chat: ChatModel | None = None
        if not self.folder.is_dir():
            raise WeightsError(
                f"model {folder!r} is not here: backend local needs the folder of a chat model"
            )

    def propose(self, task: Task, on_text: OnText | None = None) -> str:
        """See `Backend`; an adapter of `kinora train rewrite_lora` needs no examples."""
        from apps.prompt_rewrite.backends.chat_model import ADAPTER_FILE, ChatModel

        if self._chat is None:
            self._chat = ChatModel.load(self.folder, self.device)
        examples = not (self.folder / ADAPTER_FILE).is_file()
        return self._chat.answer(messages(task, examples), ANSWER_TOKENS, on_text)

    def close(self) -> None:
        """Free the model's memory."""
        if self._chat is not None:
            self._chat.close()
            self._chat = None
