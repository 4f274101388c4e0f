"""What a folder of clips and captions is read as, and what of it is refused, file by file."""

import json
import os

import pytest
from PIL import Image

from foundation.data.folder.folder import read_folder
from foundation.data.folder.survey import MediaRecord, look
from shared.errors import InputError


def captions(folder):
    return {item.name: item.captions for item in folder.items}


def reasons(folder):
    return {one.name: one.reason for one in folder.rejected}


def test_clips_and_pictures_come_sorted_by_their_path(media, record):
    for name in ("b.mkv", "a/z.mp4", "a.gif"):
        media.clip(name)
    media.picture("a/b.png")
    folder = read_folder(media.root, record)
    assert [item.name for item in folder.items] == ["a.gif", "a/b.png", "a/z.mp4", "b.mkv"]
    assert [item.medium.frames for item in folder.items] == [9, 1, 9, 9]
    assert folder.rejected == ()


def test_jpeg_and_webp_are_pictures(media, record):
    for name in ("photo.JPG", "photo2.webp"):
        Image.fromarray(media.frames(1, (48, 32))[0]).save(media.root / name)
        media.captioned(media.root / name, "a photo")
    assert [(i.medium.width, i.medium.still) for i in read_folder(media.root, record).items] == [
        (48, True)
    ] * 2


def test_two_files_of_one_name_stay_apart(media, record):
    media.clip("one/clip.mp4", caption="first")
    media.clip("two/clip.mp4", caption="second")
    assert captions(read_folder(media.root, record)) == {
        "one/clip.mp4": ("first",),
        "two/clip.mp4": ("second",),
    }


def test_a_caption_on_several_lines_is_one(media, record):
    media.clip("a.mkv", caption="\ufeffA red ball\n  rolls away.\n")
    assert captions(read_folder(media.root, record)) == {"a.mkv": ("A red ball rolls away.",)}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"caption": "one"}, ("one",)),
        ({"captions": ["one", "two"]}, ("one", "two")),
        ({"caption": "one", "width": 3}, ("one",)),
    ],
)
def test_a_json_beside_the_clip_has_one_caption_or_several(media, record, entry, expected):
    media.clip("a.mkv", caption=None).with_suffix(".json").write_text(json.dumps(entry))
    assert captions(read_folder(media.root, record)) == {"a.mkv": expected}


def test_a_listing_names_files_by_their_path(media, record):
    media.clip("a.mkv", caption=None)
    media.clip("sub/a.mkv", caption=None)
    media.clip("own.mkv", caption="its own")
    lines = [
        {"file": "a.mkv", "caption": "one"},
        {"file": "./sub/a.mkv", "captions": ["two"]},
        {"file": "a.mkv", "caption": "one again"},
        {"file": "own.mkv", "caption": "from the listing"},
    ]
    (media.root / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert captions(read_folder(media.root, record)) == {
        "a.mkv": ("one", "one again"),
        "own.mkv": ("its own",),
        "sub/a.mkv": ("two",),
    }


def test_lines_of_a_listing_that_are_wrong_are_named(media, record):
    media.clip("a.mkv", caption=None)
    lines = ['{"file": "a.mkv", "caption": "one"}', '{"file": "a.mkv",', '{"caption": "whose?"}', ""]
    lines += ['{"file": "gone.mkv", "caption": "two"}', '{"file": "../b.mkv", "caption": "outside"}']
    (media.root / "list.jsonl").write_text("\n".join(lines))
    folder = read_folder(media.root, record)
    assert captions(folder) == {"a.mkv": ("one",)}
    found = reasons(folder)
    assert "broken JSON (column 18" in found["list.jsonl line 2"]
    assert 'no "file"' in found["list.jsonl line 3"]
    assert "no clip or picture of this name" in found["gone.mkv"]
    assert "no clip or picture of this name" in found["../b.mkv"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"\xff\xfe\xfa", "not text in UTF-8"),
        (b"a\0b", "without NUL"),
    ],
)
def test_a_caption_that_says_nothing_is_refused(media, record, text, reason):
    media.clip("a.mkv", caption=None).with_suffix(".txt").write_bytes(text)
    folder = read_folder(media.root, record)
    assert folder.items == ()
    assert reason in reasons(folder)["a.mkv"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n "caption": "x",\n}', "a.json is broken JSON (line 3, column 1"),
        ('{"caption": }', "a.json is broken JSON (column 13"),
        ('{"text": "x"}', 'a.json has no "caption"'),
        ('["x"]', 'a.json has no "caption"'),
        ('{"caption": 5}', "must be a text, not 5"),
        ('{"caption": ""}', "is empty"),
        ('{"caption": "\\ud800"}', "not text in UTF-8"),
        ('{"captions": "x"}', "must be a list of texts"),
        ('{"captions": []}', "an empty list of captions"),
        ('{"captions": ["x", null]}', "must be a text, not None"),
        ("[" * 100_000, "a.json is"),
    ],
)
def test_a_json_that_holds_no_caption_is_refused_with_its_place(media, record, text, reason):
    media.clip("a.mkv", caption=None).with_suffix(".json").write_text(text)
    found = reasons(read_folder(media.root, record))["a.mkv"]
    assert reason in found
    assert "\n" not in found


def test_a_clip_without_a_caption_is_refused(media, record):
    media.clip("a.mkv", caption=None)
    assert reasons(read_folder(media.root, record))["a.mkv"].startswith(
        "no caption: neither a.txt nor a.json"
    )


def test_media_that_cannot_be_used_are_refused_one_by_one(media, record):
    media.clip("good.mp4")
    media.clip("one.mp4", frames=1)
    cut = media.clip("cut.mp4")
    cut.write_bytes(cut.read_bytes()[:-400])
    for name, content in {
        "empty.mp4": b"",
        "empty.png": b"",
        "text.mp4": b"no film",
        "text.png": b"no picture",
        "old.avi": b"RIFF",
        "list.webm": b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n",
    }.items():
        (media.root / name).write_bytes(content)
        media.captioned(media.root / name, "something")
    folder = read_folder(media.root, record)
    assert list(captions(folder)) == ["good.mp4"]
    found = reasons(folder)
    assert found["one.mp4"].startswith("holds 1 frame")
    assert found["empty.mp4"] == found["empty.png"] == "the file is empty (0 bytes)"
    assert found["old.avi"].startswith("of a kind that is not read")
    for name in ("cut.mp4", "text.mp4", "list.webm"):
        assert found[name].startswith("cannot be read as a film: ")
    assert found["text.png"].startswith("cannot be read as a picture: ")


def test_a_film_without_a_frame_is_refused(media, record):
    media.clip("a.gif")
    data = (media.root / "a.gif").read_bytes()
    (media.root / "a.gif").write_bytes(data[: data.index(b"\x21\xf9")] + b";")  # up to the first picture
    assert "a.gif" in reasons(read_folder(media.root, record))


def test_hidden_files_and_other_documents_are_passed_over(media, record):
    media.clip("a.mkv")
    for name in (".hidden.mp4", ".cache/b.mp4", "README.md", "notes.txt", "Thumbs.db"):
        (media.root / name).parent.mkdir(exist_ok=True)
        (media.root / name).write_bytes(b"x")
    folder = read_folder(media.root, record)
    assert list(captions(folder)) == ["a.mkv"]
    assert folder.rejected == ()


def test_what_is_no_folder_is_refused(media, record, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_folder(tmp_path / "nowhere", record)
    with pytest.raises(InputError, match="is no folder"):
        read_folder(media.picture("a.png"), record)
    for name in ("a.jsonl", "b.jsonl"):
        (media.root / name).write_text("")
    with pytest.raises(InputError, match=r"2 listings \(a.jsonl, b.jsonl\)"):
        read_folder(media.root, record)


def test_a_folder_that_cannot_be_read_is_named(media, record, monkeypatch):
    (media.root / "closed").mkdir()
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)  # a mode of 0 would not keep root out
    with pytest.raises(InputError, match="closed cannot be read: Permission denied"):
        read_folder(media.root, record)


def test_a_medium_is_decoded_once(media, record, monkeypatch):
    path = media.clip("a.mkv")
    first = read_folder(media.root, record)
    looks = []
    monkeypatch.setattr("foundation.data.folder.survey.look", lambda file: looks.append(file) or look(file))
    assert read_folder(media.root, MediaRecord(record.path)) == first
    assert looks == []
    media.clip("a.mkv", frames=13)
    assert read_folder(media.root, MediaRecord(record.path)).items[0].medium.frames == 13
    assert looks == [path]


def test_a_record_that_a_kill_cut_off_still_holds(media, record):
    media.clip("a.mkv")
    media.clip("b.mkv")
    whole = read_folder(media.root, record)
    record.path.write_bytes(record.path.read_bytes()[:-40])
    assert len(MediaRecord(record.path).known) == 1
    assert read_folder(media.root, MediaRecord(record.path)) == whole
    assert len(MediaRecord(record.path).known) == 2


def test_a_record_that_cannot_be_kept_stops_nothing(media, tmp_path):
    media.clip("a.mkv")
    (tmp_path / "file").write_text("")
    assert len(read_folder(media.root, MediaRecord(tmp_path / "file" / "media.jsonl")).items) == 1


def test_a_caption_may_end_in_capitals(media, record):
    media.clip("a.mkv", caption=None).with_suffix(".TXT").write_text("A red ball")
    assert captions(read_folder(media.root, record)) == {"a.mkv": ("A red ball",)}


def test_a_number_of_too_many_digits_is_rejected(media, record):
    text = '{"caption": "one", "width": ' + "9" * 10_000 + "}"
    media.clip("a.mkv", caption=None).with_suffix(".json").write_text(text)
    assert "more digits than are read" in reasons(read_folder(media.root, record))["a.mkv"]


def test_a_linked_folder_is_named(media, record, tmp_path_factory):
    (media.root / "linked").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    media.clip("a.mkv")
    folder = read_folder(media.root, record)
    assert [item.name for item in folder.items] == ["a.mkv"]
    assert "not followed" in reasons(folder)["linked"]
