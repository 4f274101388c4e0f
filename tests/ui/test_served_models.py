"""The server with the starter weights: clips, rewrites, kill -9 in the middle of a clip, a client of OpenAI's."""

import time

import av
import openai
import pytest
from servers import REAL, Server, serving

from shared.receipts import read_receipt, verify

PROMPT = "a red circle moves right on a gray background"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(REAL, tmp_path_factory.mktemp("served") / "outputs") as running:
        yield running


def test_a_clip_is_made_and_its_receipt_names_the_job(server):
    job = server.submit("t2v", {"prompt": PROMPT, "steps": 4, "contact_sheet": True})
    seen = list(server.events(job["id"]))
    assert seen[-1]["state"] == "done", seen[-1]["error"]
    stages = [one["progress"]["stage"] for one in seen]
    assert stages.index("loading") < stages.index("denoising")
    clip, sheet = (server.out / name for name in seen[-1]["results"])
    assert sheet.name == f"{clip.stem}-sheet.png"
    receipt = read_receipt(clip)
    assert receipt["details"]["job"] == job["id"]
    assert receipt["seed"] == job["seed"]
    assert verify(clip).holds
    assert server.client.get(f"/api/jobs/{job['id']}/results/0").content == clip.read_bytes()


def test_a_prompt_is_rewritten_as_a_job(server):
    job = server.wait(server.submit("rewrite", {"prompt": "un cercle rouge va à droite"})["id"])
    made = server.client.get(f"/api/jobs/{job['id']}/results/0").json()
    assert made["job"] == job["id"]
    assert "red circle" in made["rewrites"][0]["text"]


SCENES = f"""
seed: 7
steps: 4
shots:
  - prompt: {PROMPT}
    frames: 17
    sound: a wooden ball rolls
  - prompt: a red circle bounces on a gray background
    first: before
    frames: 9
"""


def test_a_film_of_two_shots_is_made_with_its_sound_as_a_job(server):
    uploaded = server.client.post("/api/uploads", files={"file": ("story.yaml", SCENES.encode())})
    job = server.wait(server.submit("film", {"scenes": uploaded.json()["name"]})["id"], seconds=300)
    assert job["state"] == "done", job["error"]
    film = next(server.out / name for name in job["results"] if name.endswith(".mp4"))
    assert verify(film).holds
    assert read_receipt(film)["details"]["job"] == job["id"]
    with av.open(str(film)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        seconds = [float(stream.duration * stream.time_base) for stream in (picture, sound)]
        assert seconds[1] == pytest.approx(seconds[0], abs=float(1 / picture.average_rate))
        assert seconds[0] == pytest.approx(26 / 8, abs=1 / 8)


def stopped_at(server, id, step):
    """Wait until a job has taken so many steps."""
    while server.job(id)["progress"]["step"] < step:
        time.sleep(0.02)


def frames(server, job):
    return read_receipt(server.out / job["results"][0])["raw_frames_sha256"]


def test_a_clip_goes_on_from_its_step_after_kill_and_after_pause_bit_for_bit(tmp_path):
    settings = {"prompt": PROMPT, "seed": 7, "steps": 20}
    first = Server(REAL, tmp_path)
    whole = first.wait(first.submit("t2v", settings)["id"])
    killed = first.submit("t2v", settings)["id"]
    stopped_at(first, killed, 6)
    first.kill()
    with serving(REAL, tmp_path) as again:
        seen = [job["progress"] for job in again.events(killed) if job["progress"]["stage"] == "denoising"]
        assert min(one["step"] for one in seen if one["step"]) >= 6
        paused = again.submit("t2v", settings)["id"]
        stopped_at(again, paused, 4)
        again.client.post(f"/api/jobs/{paused}/pause")
        assert again.wait(paused, "paused")["progress"]["step"] < 20
        preview = again.client.get(f"/api/jobs/{paused}/preview")
        assert preview.headers["content-type"] == "image/webp"
        again.client.post(f"/api/jobs/{paused}/go-on")
        assert again.wait(paused)["state"] == "done"
        assert len({frames(again, again.job(id)) for id in (whole["id"], killed, paused)}) == 1
        assert len(list(tmp_path.glob("*.mp4"))) == 3
    first.close()


def test_a_client_of_openai_rewrites_whole_and_streamed(server):
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key="none")
    names = [model.id for model in client.models.list()]
    assert names == ["kinora-rewrite", "kinora-rewrite-master"]
    assert client.models.retrieve(names[0]).owned_by == "kinora"
    asked = {"model": names[0], "messages": [{"role": "user", "content": "un cercle rouge va à droite"}]}
    whole = client.chat.completions.create(**asked)
    assert "red circle" in whole.choices[0].message.content
    pieces = list(client.chat.completions.create(**asked, stream=True))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert text == whole.choices[0].message.content
    assert len(pieces) > 4
    assert pieces[-1].choices[0].finish_reason == "stop"
    with pytest.raises(openai.BadRequestError, match="model must be"):
        client.chat.completions.create(**{**asked, "model": "gpt"})
    with pytest.raises(openai.BadRequestError, match="prompt is empty"):
        client.chat.completions.create(model=names[0], messages=[{"role": "user", "content": " "}])
