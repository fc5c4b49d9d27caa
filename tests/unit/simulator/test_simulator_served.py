import json

import pytest

from simulator.config import Config, load_config
from simulator.exchange import Request
from simulator.provider import Instant, Provider
from simulator.script import Script
from simulator.served import LogUnreadableError, ServedLog

NOW = Instant(0.0, 50.0)


def log(**options):
    return ServedLog(**{"keep": 100, "keep_requests": 2, **options})


def request(name, body=b"{}"):
    return Request("POST", "/v1/chat/completions", "", ((b"X-Client-Request-Id", name.encode()),), body)


def serve(served, name="a", *, written=3, reported=None, how="completed"):
    call = served.begin(f"id-{name}", request(name), 1.0)
    call.model, call.written, call.reported, call.prompt_tokens = "m", written, reported, 7
    return served.end(call, how, 2.0)


def test_a_record_says_what_a_client_can_know():
    served = log()
    assert serve(served, written=3, reported=9).output_tokens == 9
    assert serve(served, written=3, reported=None).output_tokens == 3


def test_totals_are_the_sum_of_the_records_and_know_what_is_under_way():
    served = log()
    serve(served, "a", written=3, reported=9)
    serve(served, "b", written=4, how="cut")
    served.begin("id-c", request("c"), 1.0)
    totals = served.totals()
    assert (totals.calls, totals.in_flight, totals.prompt_tokens, totals.output_tokens) == (2, 1, 14, 13)
    assert totals.by_finish == {"completed": 1, "cut": 1}
    assert totals.by_model["m"].output_tokens_written == 7


def test_records_are_asked_for_from_where_one_stopped():
    served = log()
    for name in "abc":
        serve(served, name)
    assert [record.client_request_id for record in served.after(1)] == ["b", "c"]


def test_totals_stay_complete_when_old_records_are_dropped():
    served = log(keep=2)
    for name in "abc":
        serve(served, name)
    assert [record.seq for record in served.after(0)] == [2, 3]
    assert served.totals().calls == 3


def test_the_latest_requests_are_kept_and_no_more():
    served = log(keep_requests=2)
    for name in "abc":
        served.begin(name, request(name), 1.0)
    assert served.request("a") is None
    assert served.request("c") == request("c")


def test_large_requests_push_out_others_before_memory_grows():
    served = log(keep_requests=100)
    for name in "abc":
        served.begin(name, request(name, b"x" * 30_000_000), 1.0)
    assert [name for name in "abc" if served.request(name)] == ["b", "c"]


def test_a_reset_forgets_but_does_not_count_twice():
    served = log()
    serve(served)
    served.reset()
    assert served.totals().calls == 0
    assert serve(served).seq == 2


def test_the_file_has_a_line_per_call_as_soon_as_it_has_ended(tmp_path):
    served = log(file=tmp_path / "served.jsonl")
    record = serve(served)
    lines = (tmp_path / "served.jsonl").read_text().splitlines()
    assert [json.loads(line)["call_id"] for line in lines] == [record.call_id]
    served.close()


def test_a_restart_goes_on_with_the_file_even_after_half_a_line(tmp_path):
    file = tmp_path / "served.jsonl"
    first = log(file=file)
    serve(first, "a", reported=9)
    first.close()
    with file.open("ab") as torn:
        torn.write(b'{"seq":2,"call')
    second = log(file=file)
    serve(second, "b")
    second.close()
    third = log(file=file)
    third.close()
    assert [record.client_request_id for record in third.after(0)] == ["a", "b"]
    assert third.totals().output_tokens == 12


def test_a_file_of_something_else_is_left_alone(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("dear diary\n")
    with pytest.raises(LogUnreadableError, match=r"notes\.txt"):
        log(file=file)
    assert file.read_text() == "dear diary\n"


def test_call_ids_repeat_with_the_seed_but_not_within_a_log(tmp_path):
    def ids(seed, served):
        provider = Provider(Config(seed=seed), served)
        return [provider.receive(request("a"), NOW).call.call_id for _ in range(3)]

    assert ids(1, log()) == ids(1, log())
    assert ids(1, log()) != ids(2, log())
    before = log(file=tmp_path / "served.jsonl")
    serve(before)
    assert not set(ids(1, before)) & set(ids(1, log()))
    before.close()


def test_a_configuration_is_read_from_yaml(tmp_path):
    (tmp_path / "sim.yaml").write_text(
        "seed: 3\nmodels: {gpt-4o: {tokens: 2..5, status: 500, first: 1}}\nquota: {rpm: 5}\n"
    )
    config = load_config(tmp_path / "sim.yaml")
    assert config.models["gpt-4o"] == Script.model_validate({"tokens": [2, 5], "faults": [{"status": 500, "first": 1}]})
    assert config.quota.rpm == 5


@pytest.mark.parametrize(
    ("config", "status"),
    [
        (Config(), 200),
        (Config(models={"m": Script()}), 404),
        (Config(models={"n": Script()}), 200),
        (Config(models={"m": Script()}, default=Script()), 200),
    ],
)
def test_a_model_is_known_when_it_is_listed_or_nothing_else_was_said(config, status):
    body = b'{"model":"n","messages":[{"role":"user","content":"x"}]}'
    assert Provider(config, log()).receive(request("a", body), NOW).response.status == status


@pytest.mark.parametrize("source", ["suffix", "metadata", "header"])
def test_a_call_can_bring_its_own_script(source):
    model = "m;status=418" if source == "suffix" else "m"
    metadata = {"sim": "status=418"} if source == "metadata" else {}
    body = json.dumps({"model": model, "metadata": metadata, "messages": [{"role": "user", "content": "x"}]}).encode()
    headers = ((b"X-Sim-Script", b"status=418"),) if source == "header" else ()
    performance = Provider(Config(), log()).receive(Request("POST", "/v1/chat/completions", "", headers, body), NOW)
    assert performance.response.status == 418
    assert performance.call.model == "m"


def test_a_script_that_cannot_be_played_is_the_callers_mistake():
    headers = ((b"x-sim-script", b"bogus=1"),)
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    performance = Provider(Config(), log()).receive(Request("POST", "/v1/chat/completions", "", headers, body), NOW)
    assert performance.response.status == 400
    assert b"bogus" in next(iter(performance.response.packets)).data
