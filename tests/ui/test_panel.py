"""The stage, the queue and the gallery: what they show, what their buttons do, and that no text becomes code."""

import json
import os
import time

import pytest

from shared.errors import InputError
from shared.receipts.receipt import canonical
from ui.jobs.claims import Claims
from ui.jobs.job import Progress
from ui.jobs.results import Results
from ui.page.gallery import Gallery, Shown
from ui.page.page import EXAMPLES
from ui.page.panel import Panel
from ui.page.reuse import of_result
from ui.page.tabs import TABS
from ui.page.views import span

EVIL = "<img src=x onerror=alert(1)> ${alert(2)} `${alert(3)}`"


@pytest.fixture
def claims(queue, files):
    return Claims(queue.database.path, files)


@pytest.fixture
def results(files):
    return Results(files)


@pytest.fixture
def panel(queue, results):
    return Panel(queue, results, TABS)


@pytest.fixture
def gallery(panel, results):
    return Gallery(panel, results, TABS)


def rewritten(files, name="a-rewrite.json", original="a ball", text="a red ball", job="none"):
    rewrites = [{"original": original, "text": text, "mode": "normal", "changes": []}]
    path = files.folder / name
    path.write_text(json.dumps({"command": "rewrite", "job": job, "versions": {}, "rewrites": rewrites}))
    return path.name


def test_nothing_made_yet(panel):
    assert "Nothing made yet" in panel.stage("")
    assert "No jobs" in panel.lane("")


def test_running_job_is_seen_with_step_rate_and_time_left(queue, claims, panel):
    job = queue.submit("t2v", {"prompt": "a star spins"})
    claims.claim()
    claims.tell(job.id, Progress("denoising", 7, 20, 2.0, 6.5))
    seen = panel.stage("")
    for words in (
        "a star spins",
        "step 7 of 20",
        "2 steps/s",
        "6 s left",
        'data-act="cancel"',
        'data-act="pause"',
        "width: 35%",
    ):
        assert words in seen


def test_preview_is_shown_from_when_there_is_one(queue, claims, panel):
    job = queue.submit("t2v", {"prompt": "a star"})
    claims.claim()
    assert "preview" not in panel.stage("")
    queue.folder(job.id).mkdir(parents=True)
    (queue.folder(job.id) / "preview.webp").write_bytes(b"RIFF")
    assert f"api/jobs/{job.id}/preview?step=0" in panel.stage("")


def test_stopped_job_keeps_its_preview(queue, claims, panel):
    job = queue.submit("t2v", {"prompt": "a star"})
    claims.claim()
    (queue.folder(job.id)).mkdir(parents=True)
    (queue.folder(job.id) / "preview.webp").write_bytes(b"RIFF")
    claims.leave(job.id, "cancelled")
    seen = panel.stage(job.id)
    assert "preview?step" in seen and "stopped" in seen and 'data-act="go_on"' in seen


def test_failed_job_says_why_in_one_line(queue, claims, panel):
    job = queue.submit("t2v", {"prompt": "a star"})
    claims.claim()
    claims.leave(job.id, "failed", "the disk is full")
    assert "the disk is full" in panel.stage("") and "the disk is full" in panel.lane("")


def test_result_deleted_by_hand_is_said_to_be_gone(queue, claims, files, panel):
    job = queue.submit("rewrite", {"prompt": "a ball"})
    claims.claim()
    room = files.private / "made"
    room.mkdir()
    (room / "x-rewrite.json").write_text("{}")
    claims.finish(job.id, [room / "x-rewrite.json"], room)
    (files.folder / queue.get(job.id).results[0]).unlink()
    assert "deleted" in panel.stage(job.id)


@pytest.mark.parametrize("where", ["prompt", "error", "result"])
def test_text_is_never_markup(queue, claims, files, panel, gallery, where):
    job = queue.submit("t2v", {"prompt": EVIL if where == "prompt" else "a star"})
    claims.claim()
    claims.leave(job.id, "failed", EVIL if where == "error" else "no")
    if where == "result":
        rewritten(files, original=EVIL, text=EVIL)
    for seen in (panel.stage(""), panel.lane(""), gallery.show(Shown())):
        assert "<img src=x" not in seen


def test_job_of_a_file_is_called_as_its_owner_calls_it(queue, files, panel):
    scenes = files.keep(EXAMPLES / "scenes.yaml", "Two stars.yaml")
    queue.submit("film", {"scenes": scenes})
    assert ">two-stars<" in panel.stage("") and "yaml" not in panel.lane("")


def test_moves(queue, panel):
    first, second, third = (queue.submit("t2v", {"prompt": word}).id for word in ("a", "b", "c"))
    panel.act("up", third)
    assert [job.id for job in queue.list()] == [first, third, second]
    panel.act("down", first)
    assert [job.id for job in queue.list()] == [third, first, second]
    panel.act("up", third)
    assert [job.id for job in queue.list()] == [third, first, second]


def test_buttons_of_the_queue(queue, claims, panel):
    job = queue.submit("t2v", {"prompt": "a star", "steps": 3})
    panel.act("pause", job.id)
    assert queue.get(job.id).state == "paused"
    panel.act("go_on", job.id)
    panel.act("copy", job.id)
    assert [one.settings for one in queue.list()] == [job.settings] * 2
    asked = panel.act("edit", job.id)
    assert (asked.command, asked.settings, asked.editing) == ("t2v", job.settings, job.id)
    panel.act("delete", job.id)
    assert [one.state for one in queue.list()] == ["queued"]
    claims.claim()
    panel.act("cancel", queue.list()[0].id)
    assert queue.list()[0].wish == "cancel"


def test_job_again_has_the_seed_that_was_drawn(queue, panel):
    job = queue.submit("t2v", {"prompt": "a star"})
    assert panel.act("reuse", job.id).settings == {"prompt": "a star", "seed": job.seed}


def test_finished_jobs_are_cleared_and_waiting_ones_stay(queue, claims, panel):
    done, waiting = (queue.submit("t2v", {"prompt": word}).id for word in ("a", "b"))
    claims.claim()
    claims.leave(done, "failed", "no")
    panel.act("clear", "")
    assert [job.id for job in queue.list()] == [waiting]


def test_gallery_shows_what_has_a_receipt_newest_first(files, gallery):
    rewritten(files, "one-rewrite.json", original="the first")
    (files.folder / "notes.json").write_text('{"command": "other"}')
    (files.folder / "broken.mp4").write_bytes(b"no film")
    seen = gallery.show(Shown())
    assert "the first" in seen and "notes.json" not in seen and "broken.mp4" not in seen
    assert "the first" not in gallery.show(Shown("t2v")) and "the first" in gallery.show(Shown("rewrite"))


def test_gallery_is_searched_by_words_in_any_order_and_case(files, gallery):
    rewritten(files, "one-rewrite.json", original="a Red ball bounces")
    rewritten(files, "two-rewrite.json", original="a red star")
    assert gallery.show(Shown(words="BALL red")).count("<figure") == 1
    assert gallery.show(Shown(words="red")).count("<figure") == 2
    assert gallery.show(Shown(words="cat")).count("<figure") == 0


def test_gallery_says_when_a_result_was_made(files, gallery):
    made = time.mktime((2026, 3, 9, 14, 5, 0, 0, 0, -1))
    os.utime(files.folder / rewritten(files), (made, made))
    assert "2026-03-09 14:05" in gallery.show(Shown())


def test_gallery_deletes_results_and_nothing_else(files, gallery):
    name = rewritten(files)
    (files.folder.parent / "outside.json").write_text("{}")
    shown, _ = gallery.act("remove", name, "", Shown(picked=name))
    assert not (files.folder / name).exists() and shown.picked == ""
    for other in ("../outside.json", name, ".kinora/jobs.db"):
        with pytest.raises(InputError):
            gallery.act("remove", other, "", Shown())
    assert (files.folder.parent / "outside.json").exists()


def test_text_is_sent_to_the_text_tab(files, gallery):
    name = rewritten(files, text="a red ball slides")
    _, asked = gallery.act("send", name, "t2v", Shown())
    assert (asked.command, asked.settings) == ("t2v", {"prompt": "a red ball slides"})


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.gif", "d.png", "e.wav", "f.json", "frames"])
def test_name_that_a_run_has_reserved_is_no_tile(files, gallery, results, name):
    path = files.folder / name
    path.touch() if path.suffix else path.mkdir()
    assert results.find(name) is None
    assert f'data-result="{name}"' not in gallery.show(Shown())


def test_result_is_made_again_from_its_receipt_when_its_job_is_gone(files, queue, results, gallery):
    name = rewritten(files, original="a ball")
    asked = of_result(results.find(name), queue)
    assert (asked.command, asked.settings) == ("rewrite", {"prompt": "a ball", "mode": "normal"})
    gallery.act("rerun", name, "", Shown())
    assert [(job.command, job.settings["prompt"]) for job in queue.list()] == [("rewrite", "a ball")]


@pytest.mark.parametrize(
    "damage",
    [
        {"rewrites": None},
        {"rewrites": {}},
        {"rewrites": [1]},
        {"rewrites": [{"original": 1, "text": "a"}]},
        {"rewrites": [{"original": "a", "text": "b", "changes": 1}]},
        {"request": ["a list"]},
        {"details": "text"},
        {"picture": {"frames": 5, "height": 64, "width": 64, "fps": 0}},
        {"sound": {"channels": 1, "samples": 5, "sample_rate": 0}},
        {"seed": -1},
    ],
    ids=str,
)
def test_damaged_text_is_one_tile_that_says_what_is_wrong(files, gallery, damage):
    rewritten(files, "whole-rewrite.json", original="the whole one")
    name = rewritten(files, "odd-rewrite.json", original="the odd one")
    told = json.loads((files.folder / name).read_text())
    (files.folder / name).write_text(json.dumps({**told, **damage}))
    seen = gallery.show(Shown(picked=name))
    assert seen.count("<figure") == 2 and "the whole one" in seen and 'data-act="rerun"' not in seen
    assert f"the receipt&#39;s {next(iter(damage))} must be" in seen
    for act in ("again", "rerun"):
        with pytest.raises(InputError, match="does not say how it was made"):
            gallery.act(act, name, "", Shown())
    gallery.act("remove", name, "", Shown())
    assert gallery.show(Shown()).count("<figure") == 1


@pytest.mark.parametrize(
    ("entry", "value"), [("picture", {"frames": 5, "height": 16, "width": 16, "fps": 0}), ("request", [])]
)
def test_damaged_clip_is_one_tile_that_says_what_is_wrong(files, gallery, entry, value):
    rewritten(files, original="the whole one")
    folder = files.folder / "clip"
    folder.mkdir()
    told = {"receipt": 1, "command": "t2v", "versions": {}, "streams_sha256": {}, "file_sha256": "0" * 64}
    (folder / "receipt.json").write_text(canonical({**told, entry: value}))
    seen = gallery.show(Shown())
    assert seen.count("<figure") == 2 and "the whole one" in seen
    assert f"the receipt&#39;s {entry} must be" in seen


def test_more_of_the_gallery(files, gallery):
    for number in range(30):
        rewritten(files, f"{number}-rewrite.json", original=f"number {number}.")
    shown = Shown()
    assert gallery.show(shown).count("<figure") == 24 and "Show more" in gallery.show(shown)
    shown, _ = gallery.act("more", "", "", shown)
    assert gallery.show(shown).count("<figure") == 30 and "Show more" not in gallery.show(shown)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3840, "1 h 4 min")]
)
def test_lengths_of_time(seconds, words):
    assert span(seconds) == words
