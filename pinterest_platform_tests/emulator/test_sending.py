"""Sending: every chosen record is acknowledged or counted, whatever the gateway does."""

import json
import time
from itertools import islice
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, delete, update

from pinterest_platform.emulator.database import geolocation_data, pinterest_data
from pinterest_platform.emulator.gateway_session import GatewaySession
from pinterest_platform.emulator.pace import Stop, due
from pinterest_platform.emulator.rest_proxy import RestProxy
from pinterest_platform.emulator.sending import Sent, emulate
from pinterest_platform.errors import PlatformError
from pinterest_platform_tests.emulator.recording_gateway import Answer, RecordingGateway

Topics = dict[str, str]


def send(engine: Engine, gateway: RecordingGateway, topics: Topics, **options: Any) -> Sent:
    return emulate(engine, gateway.url, topics, **({"posts": 5, "rate": 0, "backoff": 0} | options))


def test_a_post_is_three_requests_with_one_record_each(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    count = send(engine, gateway, topics, posts=2)
    assert [request.topic for request in gateway.requests] == ["t.pin", "t.geo", "t.user"] * 2
    assert {request.content_type for request in gateway.requests} == {
        "application/vnd.kafka.json.v2+json"
    }
    assert [len(request.values) for request in gateway.requests] == [1] * 6
    assert [list(json.loads(request.body)) for request in gateway.requests] == [["records"]] * 6
    assert str(count) == (
        "2 posts: pin 2 sent, 0 failed; geo 2 sent, 0 failed; user 2 sent, 0 failed"
    )


def test_text_of_every_script_arrives_as_utf8(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    title = 'Ünïcode 日本語 العربية "quoted" \n\t emoji 👩‍🎨'
    with engine.begin() as connection:
        connection.execute(update(pinterest_data).values(title=title))
    send(engine, gateway, topics, posts=1)
    assert gateway.values("t.pin")[0]["title"] == title
    assert "日本語 العربية".encode() in gateway.requests[0].body


def test_dates_and_numbers_arrive_as_such(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    send(engine, gateway, topics, posts=1)
    geo = gateway.values("t.geo")[0]
    assert time.strptime(geo["timestamp"], "%Y-%m-%dT%H:%M:%S")
    assert isinstance(geo["latitude"], float)
    assert isinstance(gateway.values("t.user")[0]["age"], int)


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (100, [7])]
)
def test_batches_have_the_same_posts_in_the_same_order(
    engine: Engine, gateway: RecordingGateway, topics: Topics, batch_size: int, sizes: list[int]
) -> None:
    send(engine, gateway, topics, posts=7)
    one_by_one = {topic: gateway.values(topic) for topic in topics.values()}
    gateway.requests.clear()
    count = send(engine, gateway, topics, posts=7, batch_size=batch_size)
    assert {topic: gateway.values(topic) for topic in topics.values()} == one_by_one
    assert [len(r.values) for r in gateway.requests if r.topic == "t.geo"] == sizes
    assert count.sent == {"pin": 7, "geo": 7, "user": 7}


def test_the_rate_does_not_change_which_posts_are_sent(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    send(engine, gateway, topics, posts=3, rate=0)
    send(engine, gateway, topics, posts=3, rate=1_000)
    send(engine, gateway, topics, posts=3, rate=None)
    pins = gateway.values("t.pin")
    assert pins[:3] == pins[3:6] == pins[6:]


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(503),
        Answer(429, headers={"Retry-After": "0"}),
        Answer(500),
        Answer(502),
        Answer(504),
        Answer(503, headers={"Retry-After": "soon"}),
        Answer(0),
    ],
)
def test_temporary_errors_lose_nothing(
    engine: Engine, gateway: RecordingGateway, topics: Topics, trouble: Answer
) -> None:
    gateway.answers.extend([trouble, trouble])
    count = send(engine, gateway, topics, posts=2)
    assert count.sent == {"pin": 2, "geo": 2, "user": 2}
    assert not count.failed.total()
    assert gateway.requests[0].body == gateway.requests[1].body == gateway.requests[2].body
    assert len(gateway.values("t.pin")) == 2


def test_retry_after_is_honoured(gateway: RecordingGateway) -> None:
    gateway.answers.append(Answer(429, headers={"Retry-After": "1"}))
    with GatewaySession(gateway.url, Stop(), backoff=0) as session:
        started = time.monotonic()
        assert RestProxy(session).send("t.pin", [{}]).acknowledged == 1
    assert time.monotonic() - started >= 1


def test_failed_requests_are_counted_and_the_emulation_continues(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    gateway.always["t.geo"] = Answer(503, b'{"error_code":503,"message":"No broker"}')
    problems: list[str] = []
    count = send(engine, gateway, topics, posts=2, retries=2, on_problem=problems.append)
    assert [request.topic for request in gateway.requests] == (
        ["t.pin", *["t.geo"] * 3, "t.user"] * 2
    )
    assert count.failed == {"pin": 0, "geo": 2, "user": 0}
    assert problems == ["t.geo: 503 No broker"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (
            Answer(404, b'{"error_code":40401,"message":"Topic not found."}'),
            "t.pin: 404 Topic not found. (40401)",
        ),
        (Answer(415, b"<html>\n\x1b[31mwrong"), "t.pin: 415 <html> [31mwrong"),
        (Answer(302, headers={"Location": "/login"}), "t.pin: 302"),
        (Answer(200, b"welcome"), "t.pin: 200 without the offsets of a Kafka REST v2 answer"),
        (Answer(200, b'{"offsets":[null]}'), "t.pin: 200 without the offsets"),
        (Answer(200, b'{"offsets":[]}'), "t.pin: 200 with 0 offsets for 1 records"),
        (
            Answer(200, b'{"offsets":[{"error_code":50003,"error":"Leader not available"}]}'),
            "t.pin: 200 without the offsets",
        ),
        (
            Answer(
                200,
                b'{"offsets":[{"offset":null,"error_code":2,"error":"No leader"}]}',
            ),
            "t.pin: No leader",
        ),
    ],
)
def test_an_unacknowledged_record_fails_is_reported_once_and_not_retried(
    engine: Engine, gateway: RecordingGateway, topics: Topics, answer: Answer, problem: str
) -> None:
    gateway.always["t.pin"] = answer
    problems: list[str] = []
    count = send(engine, gateway, topics, posts=3, on_problem=problems.append)
    assert count.failed == {"pin": 3, "geo": 0, "user": 0}
    assert count.sent == {"pin": 0, "geo": 3, "user": 3}
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert len([request for request in gateway.requests if request.topic == "t.pin"]) == 3


def test_part_of_a_batch_can_fail(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    gateway.answers.append(
        Answer(200, b'{"offsets":[{"offset":1},{"offset":null,"error":"too large"},{"offset":2}]}')
    )
    count = send(engine, gateway, topics, posts=3, batch_size=3)
    assert (count.sent["pin"], count.failed["pin"]) == (2, 1)


def test_a_kind_without_a_row_is_counted_and_not_sent(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    with engine.begin() as connection:
        connection.execute(delete(geolocation_data).where(geolocation_data.c.ind > 0))
    count = send(engine, gateway, topics, posts=4, batch_size=2)
    assert (count.sent["geo"], count.missing["geo"]) == (0, 4)
    assert "geo 0 sent, 0 failed, 4 without a row" in str(count)
    assert not gateway.values("t.geo")


def test_an_error_of_the_source_comes_after_the_chosen_posts_are_sent(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    counts: list[Sent] = []

    def empty_after_two(count: Sent) -> None:
        counts.append(count)
        if count.posts == 2:
            with engine.begin() as connection:
                connection.execute(delete(pinterest_data))

    with pytest.raises(PlatformError, match="has become empty"):
        send(engine, gateway, topics, batch_size=10, on_progress=empty_after_two)
    assert counts[-1].sent == {"pin": 2, "geo": 2, "user": 2}


@pytest.mark.parametrize("rate", [-1, float("nan")])
def test_an_invalid_rate_is_an_error(
    engine: Engine, gateway: RecordingGateway, topics: Topics, rate: float
) -> None:
    with pytest.raises(PlatformError, match="--rate 0 or more"):
        send(engine, gateway, topics, rate=rate)


def test_a_missing_gateway_is_an_error_before_the_first_post(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    gateway.close()
    session = GatewaySession(gateway.url, Stop(), retries=1, backoff=0)
    with pytest.raises(PlatformError, match=rf"{gateway.url} .*refused.*pinterest gateway"):
        session.check("topics")


def test_a_gateway_with_only_server_errors_is_an_error(gateway: RecordingGateway) -> None:
    gateway.check = Answer(503)
    with pytest.raises(PlatformError, match="it answers 503"):
        GatewaySession(gateway.url, Stop(), retries=1, backoff=0).check("topics")


def test_a_gateway_may_forbid_listing_topics(gateway: RecordingGateway) -> None:
    gateway.check = Answer(403)
    GatewaySession(gateway.url, Stop()).check("topics")


@pytest.mark.parametrize(
    "url", ["", "localhost:8082", "ftp://h", "http://", "http://h:x", "http://h?k=s3cret"]
)
def test_an_invalid_url_is_an_error(url: str) -> None:
    with pytest.raises(PlatformError, match="PINTEREST_GATEWAY_URL") as caught:
        GatewaySession(url, Stop())
    assert "s3cret" not in str(caught.value)


def test_a_password_in_the_url_is_not_displayed() -> None:
    assert GatewaySession("http://u:s3cret@h:1/v1/", Stop()).name == "http://h:1/v1"


def test_the_topics_may_be_below_a_path(gateway: RecordingGateway) -> None:
    with GatewaySession(f"{gateway.url}/stage/", Stop()) as session:
        RestProxy(session).send("a b/c", [{}])
    assert gateway.requests[0].topic == "/stage/topics/a%20b%2Fc"


def test_a_stop_sends_the_chosen_posts(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    stop = Stop()

    def after_three(count: Sent) -> None:
        if count.posts == 3:
            stop.set()

    count = send(
        engine, gateway, topics, posts=None, batch_size=10, stop=stop, on_progress=after_three
    )
    assert count.sent == {"pin": 3, "geo": 3, "user": 3}
    assert len(gateway.values("t.pin")) == 3


def test_a_stop_ends_the_waits_between_retries(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    gateway.always = {
        topic: Answer(503, headers={"Retry-After": "60"}) for topic in topics.values()
    }
    stop, counts = Stop(), []
    thread = Thread(
        target=lambda: counts.append(send(engine, gateway, topics, posts=None, stop=stop))
    )
    thread.start()
    gateway.wait_for(1)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert counts[0].failed == {"pin": 1, "geo": 1, "user": 1}


def test_an_interrupt_counts_the_unsent_records(
    engine: Engine, gateway: RecordingGateway, topics: Topics
) -> None:
    gateway.always["t.geo"] = Answer(404)
    last: list[Sent] = []

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(engine, gateway, topics, posts=1, on_problem=interrupt, on_progress=last.append)
    assert last[-1].sent["pin"] == 1
    assert (last[-1].failed["geo"], last[-1].failed["user"]) == (1, 1)


class Recorded(Stop):
    """Records the requested waits, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


def waits(rate: float | None, seed: int, number: int) -> list[float]:
    stop = Recorded()
    assert list(islice(due(rate, seed, stop), number + 1)) == list(range(number + 1))
    return stop.waits


def test_a_rate_counts_from_the_first_post() -> None:
    for number, wait in enumerate(waits(0.1, 100, 500), start=1):
        assert number * 10 - 5 < wait <= number * 10


def test_delays_are_caught_up() -> None:
    assert max(waits(1e9, 100, 5)) <= 0


def test_rate_0_never_waits() -> None:
    assert waits(0, 100, 5) == []


def test_the_random_waits_are_seeded_and_below_two_seconds() -> None:
    seeded = waits(None, 100, 500)
    assert seeded == waits(None, 100, 500) != waits(None, 101, 500)
    assert len(seeded) == 500
    assert all(0 <= wait <= 2 for wait in seeded)
    assert 0.9 < sum(seeded) / 500 < 1.1


def test_a_stop_ends_a_wait() -> None:
    stop = Stop()
    waiting = Thread(target=stop.wait, args=(1e300,))
    waiting.start()
    stop.set()
    waiting.join(10)
    assert not waiting.is_alive()
