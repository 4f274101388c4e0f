import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from shared import console
from shared.errors import CheckFailed, InputError, ResourceError


def fail_with(error):
    def command(argv):
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("steps must be 1 to 1000, not 0"), 2),
        (ResourceError("the disk is full"), 2),
        (CheckFailed("the picture changed"), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_an_error_becomes_an_exit_code_and_one_line(error, code, capsys):
    assert console.run(fail_with(error), []) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_a_fault_of_ours_points_to_the_debug_flag(capsys):
    console.run(fail_with(ZeroDivisionError("division by zero")), [])
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_debug_shows_the_trace(capsys):
    assert console.run(fail_with(InputError("no")), ["--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_debug_does_not_reach_the_command():
    seen = []
    assert console.run(seen.append, ["a", "--debug", "--", "--debug"]) == 0
    assert seen == [["a", "--", "--debug"]]


def test_a_strangers_text_cannot_steer_the_terminal(capsys):
    console.run(fail_with(InputError("bad \x1b[2J file\nname")), [])
    printed = capsys.readouterr().err
    assert "\x1b" not in printed
    assert printed.count("\n") == 1


def test_a_closed_pipe_is_no_error():
    script = (
        "import sys; from shared import console\n"
        "def many(argv):\n"
        "    for _ in range(100000): console.result('line')\n"
        "sys.exit(console.run(many, []))"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", script], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        (">/dev/full 2>/dev/full", 2, ""),
        (">/dev/full", 2, "kinora: error: standard output cannot be written: No space left on device\n"),
    ],
)
@pytest.mark.parametrize("words", ["--help", "i2v --help", "--version"])
def test_output_that_is_closed_or_full_ends_cleanly(redirected, code, said, words):
    program = f"import sys; from apps.cli import main; sys.argv[1:] = {words.split()}; sys.exit(main())"
    shell = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} {redirected}"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, said)


def test_a_file_of_ours_never_takes_the_place_of_a_closed_stream(tmp_path):
    program = (
        "import sys; from shared import console\n"
        "def command(argv):\n"
        f"    with open({str(tmp_path / 'file')!r}, 'w') as file:\n"
        "        assert file.fileno() > 2\n"
        "        console.note('a note')\n"
        "        console.result('a result')\n"
        "sys.exit(console.run(command, []))"
    )
    shell = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} >&- 2>&-"
    assert subprocess.run(["sh", "-c", shell], check=False).returncode == 0
    assert (tmp_path / "file").read_text() == ""


def test_a_path_longer_than_the_system_takes_is_bad_input(capsys):
    assert console.run(lambda argv: Path("x" * 300).read_text(), []) == 2
    assert "longer than the system takes" in capsys.readouterr().err


def test_an_overview_names_every_entry_in_columns():
    printed = console.overview(
        "kinora train RECIPE", {"vae": "the VAE", "rewrite_lora": "an adapter"}, after="more"
    )
    assert printed.split("\n") == [
        "usage: kinora train RECIPE",
        "",
        "  vae           the VAE",
        "  rewrite_lora  an adapter",
        "",
        "more",
    ]
