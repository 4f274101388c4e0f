"""Many clients, and a server that is killed while they submit: every job becomes one result."""

import random
import threading
import time

import pytest
from servers import FAKE, Server

from ui.client.client import Client

CLIENTS, JOBS, KILLS = 20, 5, 3


@pytest.mark.slow
def test_twenty_clients_lose_nothing_and_get_nothing_twice(tmp_path):
    out = tmp_path / "outputs"
    server = Server(FAKE, out)
    finished, failures = [], []

    def use(number):
        rng = random.Random(number)
        try:
            with Client(server.address, patience=120) as client:
                jobs = []
                for count in range(JOBS):
                    time.sleep(rng.random())
                    settings = {"prompt": f"{number}-{count}", "steps": 4, "pace": 0.02}
                    jobs.append(client.submit("fake", settings))
                for job in jobs:
                    *_, last = client.events(job["id"])
                    place = tmp_path / "fetched" / last["results"][0]
                    client.fetch(f"/api/jobs/{job['id']}/results/0", place)
                    finished.append((last["id"], last["state"], place.read_text().split()[0]))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for kill in range(KILLS):
        time.sleep(2 + kill)
        server.kill()
        again = Server(FAKE, out, port=server.port)
        server.close()
        server = again
    for thread in threads:
        thread.join(400)
    server.close()
    assert not failures
    assert len(finished) == CLIENTS * JOBS
    assert {state for _, state, _ in finished} == {"done"}
    assert {word for *_, word in finished} == {f"{n}-{c}" for n in range(CLIENTS) for c in range(JOBS)}
    results = [path.read_text().split() for path in out.glob("*.txt")]
    assert sorted(id for _, id in results) == sorted(id for id, *_ in finished)
    assert sorted(word for word, _ in results) == sorted(word for *_, word in finished)
