import fake_commands  # noqa: F401  (its command joins the table)
import pytest

from ui.jobs.files import Files
from ui.jobs.queue import Queue


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "outputs")


@pytest.fixture
def queue(files):
    return Queue(files.private / "jobs.db", files)
