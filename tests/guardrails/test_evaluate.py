"""The measures of labelled data, against numbers computed by hand, and the command that prints them."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from guardrails.engine.findings import Action
from guardrails.engine.rules import Mode, Policy, Rule
from guardrails.evaluation import table, tasks, topics
from guardrails.evaluation.metrics import Scored, SpanTally, auroc, f1, measure, quantile, recall_at_fpr
from guardrails.evaluation.policies import evaluate_policy
from guardrails.evaluation.rows import DataError, Row, read
from guardrails.evaluation.tasks import Task, evaluate
from guardrails.services import create_policy
from guardrails.specs import Spec
from projects.services import create_project
from tests.guardrails.probes import installed

pytestmark = pytest.mark.claim("guardrails.evaluate")


@pytest.fixture(autouse=True)
def probes() -> Iterator[None]:
    with installed():
        yield


def scored(*pairs: tuple[float, int]) -> list[Scored]:
    return [Scored(score, bool(label)) for score, label in pairs]


def write(tmp_path: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def command(*args: Any) -> str:
    output = io.StringIO()
    call_command("guardrails", *map(str, args), stdout=output)
    return output.getvalue()


# --- measures -------------------------------------------------------------------------------------------


def test_counts_are_those_at_the_threshold() -> None:
    rows = [
        Scored(0.9, True, "a", 1.0, "xss"), Scored(0.5, True, "a", 2.0, "sqli"), Scored(0.4, True, "b", 3.0, "sqli"),
        Scored(0.8, False, "a", 4.0), Scored(0.1, False, "c", 5.0),
    ]  # fmt: skip
    assert measure(rows, 0.5) == {
        "n": 5, "positives": 3, "threshold": 0.5,
        # Found: 0.9 and 0.5 of three; false alarm: 0.8 of two.
        "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "fpr": 1 / 2,
        # Of six pairs (found, other), 0.9 wins two, 0.5 and 0.4 win one each.
        "auroc": 4 / 6,
        # No false alarm is allowed of two: what scores over 0.8.
        "recall_at_1pct_fpr": 1 / 3,
        "fpr_by_source": {"a": 1.0, "c": 0.0},
        "recall_by_source": {"a": 1.0, "b": 0.0},
        "recall_by_kind": {"sqli": 0.5, "xss": 1.0},
        "recall_by_kind_at_1pct_fpr": {"sqli": 0.0, "xss": 1.0},
        "latency_ms": {"p50": 3.0, "p99": 5.0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(1, 1), (0, 0)], 1.0),
        ([(0, 1), (1, 0)], 0.0),
        ([(0.5, 1), (0.5, 0)], 0.5),
        # 3 wins over 1 and 2; 2 wins over 1 and ties with 2: (2 + 1.5) of 4.
        ([(3, 1), (2, 1), (2, 0), (1, 0)], 3.5 / 4),
        # Hand and McNeil's kind of example: ranks of the positives 2, 4, 5 of 5: (11 - 6) of 6.
        ([(0.2, 1), (0.4, 1), (0.5, 1), (0.1, 0), (0.3, 0)], 5 / 6),
        ([(1, 1)], None),
        ([(1, 0)], None),
        ([], None),
    ],
    ids=str,
)
def test_auroc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[float, int]], expected: float | None) -> None:
    assert auroc(scored(*pairs)) == (None if expected is None else pytest.approx(expected))


def test_auroc_agrees_with_counting_all_pairs() -> None:
    rows = scored(*((math.sin(n) * 5 // 1, n % 3 == 0) for n in range(60)))
    wins = [
        1.0 if one.score > other.score else 0.5 if one.score == other.score else 0.0
        for one in rows if one.label for other in rows if not other.label
    ]  # fmt: skip
    assert auroc(rows) == pytest.approx(sum(wins) / len(wins))


def test_recall_at_a_price_reads_its_threshold_from_the_rows_labelled_0() -> None:
    others = [(n / 1000, 0) for n in range(200)]
    # Two of 200 may be false alarms: 0.199 and 0.198; so what is found scores over 0.197.
    assert recall_at_fpr(scored(*others, (0.1975, 1), (0.197, 1), (0.5, 1), (0.0, 1)), 0.01) == 2 / 4
    # Of 99 none may be, so the highest of them is the limit.
    assert recall_at_fpr(scored(*others[:99], (0.0985, 1), (0.098, 1)), 0.01) == 1 / 2
    # Ties do not buy recall: all others score the same.
    assert recall_at_fpr(scored(*[(0.3, 0)] * 200, (0.3, 1), (0.31, 1)), 0.01) == 1 / 2
    assert recall_at_fpr(scored((0.3, 0), (0.2, 1)), 1.0) == 1.0
    assert recall_at_fpr(scored((0.3, 1)), 0.01) is None
    assert recall_at_fpr(scored((0.3, 0)), 0.01) is None


def test_each_kind_is_measured_at_the_price_that_all_pay_together() -> None:
    others = [Scored(n / 1000, False) for n in range(200)]
    kinds = [Scored(0.1975, True, kind="a"), Scored(0.197, True, kind="a"), Scored(0.5, True, kind="b")]
    assert measure([*others, *kinds], 0.5)["recall_by_kind_at_1pct_fpr"] == {"a": 0.5, "b": 1.0}
    # Where fewer than that have any score at all, any score will do.
    quiet = [Scored(0.0, False)] * 100
    assert measure([*quiet, Scored(0.01, True, kind="a"), Scored(0.0, True, kind="a")], 0.5)[
        "recall_by_kind_at_1pct_fpr"
    ] == {"a": 0.5}


def test_what_cannot_be_computed_is_none_and_not_zero() -> None:
    only_good = measure(scored((0.1, 0), (0.2, 0)), 0.5)
    assert [only_good[name] for name in ("precision", "recall", "f1", "auroc", "recall_at_1pct_fpr")] == [None] * 5
    assert only_good["fpr"] == 0.0
    only_bad = measure(scored((0.1, 1)), 0.5)
    assert (only_bad["precision"], only_bad["recall"], only_bad["fpr"]) == (None, 0.0, None)
    assert only_bad["recall_by_kind_at_1pct_fpr"] is None
    assert (f1(0.0, 0.0), f1(None, 1.0)) == (0.0, None)
    assert f1(0.5, 1.0) == pytest.approx(2 / 3)


def test_quantiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert (quantile([7.0], 0.01), quantile([2.0, 1.0], 0.5), quantile([], 0.5)) == (7.0, 1.0, None)


# --- spans ----------------------------------------------------------------------------------------------


def test_a_span_counts_when_most_of_it_is_covered_and_a_finding_when_most_of_it_is_right() -> None:
    tally = SpanTally({"EMAIL", "CARD"})
    # Found whole; found as something else; covered by half only; not known to the detector.
    tally.add([(0, 10, "EMAIL"), (20, 30, "EMAIL"), (40, 50, "CARD"), (60, 70, "AGE")],
              [(0, 10, "EMAIL"), (19, 31, "CARD"), (45, 60, "EMAIL")])  # fmt: skip
    # Two pieces together cover enough; one lies elsewhere.
    tally.add([(0, 10, "CARD")], [(0, 4, "CARD"), (4, 7, "CARD"), (90, 99, "CARD")])
    assert tally.measures() == {
        "spans": 4, "findings": 6, "recall": 3 / 4, "precision": 4 / 6, "f1": pytest.approx(12 / 17),
    }  # fmt: skip
    by_type = tally.by_type()
    assert (by_type["EMAIL"]["recall"], by_type["EMAIL"]["precision"]) == (1.0, 0.5)
    assert (by_type["CARD"]["recall"], by_type["CARD"]["precision"]) == (0.5, 0.75)
    assert (by_type["AGE"]["recall"], by_type["AGE"]["precision"]) == (0.0, None)
    assert tally.measures(["EMAIL"]) == by_type["EMAIL"]


def test_a_wide_finding_is_right_when_it_covers_a_span() -> None:
    tally = SpanTally({"EMAIL"})
    tally.add([(40, 50, "EMAIL")], [(0, 100, "EMAIL")])
    assert (tally.measures()["recall"], tally.measures()["precision"]) == (1.0, 1.0)


# --- rows -----------------------------------------------------------------------------------------------


def test_rows_come_from_plain_and_gzipped_files_without_the_unlabelled(tmp_path: Path) -> None:
    plain = write(tmp_path, {"text": "a", "label": 1, "source": "s", "kind": "direct", "sub": "x", "extra": [1]}, "",
                  {"text": "b", "label": -1}, {"text": "c", "label": 0, "context": "q"})  # fmt: skip
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"text": "d", "spans": [[0, 1, "EMAIL"]]}\n{"text": "e", "label": "weather"}'))
    assert list(read([plain, packed])) == [
        Row("a", 1, "s", "direct", "x"), Row("c", 0, context="q"), Row("d", None, spans=((0, 1, "EMAIL"),)),
        Row("e", "weather"),
    ]  # fmt: skip


@pytest.mark.claim("guardrails.evaluate-input")
@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("{canary", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("[]", "line 2 is not an object"),
        ({"label": 1}, "line 2 has no text"),
        ({"text": 7, "label": 1}, "line 2 has no text"),
        ({"text": "canary"}, "line 2 has neither label nor spans"),
        ({"text": "canary", "label": 2}, "line 2: label is 0, 1, -1"),
        ({"text": "canary", "label": [1]}, "line 2: label is 0, 1, -1"),
        ({"text": "canary", "label": 1, "source": 1}, "line 2: source is not text"),
        ({"text": "abc", "spans": [[0, 9, "X"]]}, "line 2: spans are"),
        ({"text": "abc", "spans": [[2, 1, "X"]]}, "line 2: spans are"),
        ({"text": "abc", "spans": "canary"}, "line 2: spans are"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_row_that_cannot_be_read_ends_the_measurement_with_its_place(tmp_path: Path, row: Any, fault: str) -> None:
    path = write(tmp_path, {"text": "a", "label": 1}, row)
    with pytest.raises(CommandError) as caught:
        command("evaluate", path, "--detector", "toxicity", "--json")
    assert caught.value.returncode == 2
    assert str(path) in str(caught.value)
    assert fault in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.claim("guardrails.evaluate-input")
def test_a_file_that_cannot_be_read_ends_the_measurement(tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"text": "a", "label": 1}\n' * 1000)[:40])
    bytes_ = tmp_path / "bytes.jsonl"
    bytes_.write_bytes(b"\xff\xfe")
    plain = tmp_path / "plain.jsonl.gz"
    plain.write_text("{}")
    for path in (tmp_path / "none.jsonl", cut, bytes_, plain, tmp_path):
        with pytest.raises(CommandError, match="cannot be read") as caught:
            command("evaluate", path, "--detector", "toxicity")
        assert caught.value.returncode == 2


@pytest.mark.claim("guardrails.evaluate-input")
@pytest.mark.django_db
def test_what_is_not_there_cannot_be_measured(tmp_path: Path) -> None:
    rows = write(tmp_path, {"text": "a", "label": 1})
    empty = write(tmp_path, name="empty.jsonl")
    for args, text in (
        (("evaluate", rows, "--detector", "nonsense"), "There is no nonsense"),
        (("evaluate", rows, "--detector", "acme/none"), "There is no acme/none"),
        (("evaluate", empty, "--detector", "toxicity"), "no rows"),
        (("evaluate", rows, "--detector", "topic"), "not the name of a topic"),
        (("evaluate", write(tmp_path, {"text": "a", "label": "x"}, name="t"), "--detector", "bias"), "0 or 1"),
        (("bench", "--data", tmp_path / "none"), "cannot be read"),
    ):
        with pytest.raises(CommandError, match=text) as caught:
            command(*args)
        assert caught.value.returncode == 2


# --- detectors and policies -----------------------------------------------------------------------------


def test_a_detector_is_measured_by_its_highest_score(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tasks, "TASKS", {"bias": Task("probe")})
    rows = [Row("a wolf and a wolf", 1, "tale", sub="x"), Row("a fox", 1, "tale", "y"), Row("a hen", 0, "farm")]
    result = evaluate("bias", rows)
    assert (result["detector"], result["n"], result["positives"]) == ("bias", 3, 2)
    assert (result["precision"], result["recall"], result["fpr"]) == (1.0, 0.5, 0.0)
    assert (result["recall_by_source"], result["recall_by_kind"]) == ({"tale": 0.5}, {"x": 1.0, "y": 0.0})
    assert result["latency_ms"]["p50"] >= 0


def test_what_a_detector_finds_missing_is_measured_by_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASKS", {"relevancy": Task("probe", is_inverse=True)})
    result = evaluate("relevancy", [Row("an answer", 1), Row("a wolf", 0)])
    assert (result["precision"], result["recall"], result["auroc"]) == (1.0, 1.0, 1.0)


def test_direct_prompts_and_attacks_are_arguments_and_the_rest_results() -> None:
    rows = {
        "arguments": [Row("a", 1, kind="direct"), Row("a", 1, kind="direct:JAILBREAK"), Row("a", 0, sub="norm-prose"),
                      Row("a", 1, sub="path-traversal")],
        "content": [Row("a", 1, kind="indirect:email"), Row("a", 0), Row("a", 0, sub="hate")],
    }  # fmt: skip
    for surface, each in rows.items():
        assert {tasks.segment_of(row).surface for row in each} == {surface}
    assert tasks.segment_of(Row("a", 0), on_arguments=True).surface == "arguments"


def test_spans_are_measured_for_personal_data() -> None:
    rows = [
        Row("Mail ann.lee@example.org now", None, "s", spans=((5, 24, "EMAIL_ADDRESS"),)),
        Row("Nothing to see", None, "s", spans=()),
        Row("A harmless text", 0, "b"),
    ]
    result = evaluate("pii", rows)
    assert (result["positives"], result["recall"], result["fpr"]) == (1, 1.0, 0.0)
    assert result["by_type"]["EMAIL_ADDRESS"]["recall"] == 1.0
    assert result["spans_structured"]["precision"] == 1.0
    assert result["findings_per_1000_clean"] == 0.0


def policy(*actions: Action, mode: Mode = Mode.ENFORCE) -> Policy:
    rules = tuple(
        Rule(f"r{index}", "probe", frozenset({"output"}), action, config={"score": 0.5 + index / 10})
        for index, action in enumerate(actions)
    )
    return Policy("p", 1, mode, rules)


def test_a_policy_is_measured_by_what_it_would_do() -> None:
    rows = [Row("a wolf", 1), Row("a hen", 0)]
    for mode in Mode:
        assert evaluate_policy(policy(Action.BLOCK, mode=mode), rows)["recall"] == 1.0
        assert evaluate_policy(policy(Action.REDACT, mode=mode), rows)["recall"] == 1.0
        assert evaluate_policy(policy(Action.FLAG, mode=mode), rows)["recall"] == 0.0
    assert evaluate_policy(policy(Action.BLOCK), rows)["fpr"] == 0.0
    broken = replace(policy(Action.BLOCK), rules=(Rule("r", "probe_broken", frozenset({"output"}), Action.BLOCK),))
    assert evaluate_policy(broken, rows)["fpr"] == 1.0
    tolerant = replace(broken, rules=(replace(broken.rules[0], on_error=Action.FLAG),))
    assert evaluate_policy(tolerant, rows)["fpr"] == 0.0


def test_a_policys_score_is_the_highest_of_what_it_acts_on() -> None:
    from guardrails.evaluation.policies import ask_policy

    with asyncio.Runner() as runner:
        ask = ask_policy(policy(Action.BLOCK, Action.REDACT, Action.FLAG), runner)
        assert ask(Row("a wolf", 1)).score == 0.6
        assert ask(Row("a hen", 0)).score == 0.0


@pytest.mark.django_db
def test_a_projects_own_policy_can_be_measured(tmp_path: Path) -> None:
    project = create_project(slug="acme")
    create_policy(project=project, slug="tools", guardrails=[Spec("probe")])
    rows = write(tmp_path, {"text": "a wolf", "label": 1}, {"text": "a hen", "label": 0})
    result = json.loads(command("evaluate", rows, "--detector", "acme/tools", "--json"))
    assert (result["detector"], result["recall"], result["fpr"]) == ("tools", 1.0, 0.0)


# --- topics ---------------------------------------------------------------------------------------------


def test_topics_are_split_into_examples_and_rows_the_same_way_every_time() -> None:
    rows = [Row(f"{topic} {n}", topic) for topic in ("tax", "law") for n in range(30)]
    rows += [Row("alone", "rare"), Row("else", "oos")]
    examples, rest = topics.split(rows)
    assert {topic: len(texts) for topic, texts in examples.items()} == {"tax": 12, "law": 12}
    assert sorted(str(row.label) for row in rest) == ["law"] * 18 + ["oos"] + ["tax"] * 18
    assert topics.split(rows[::-1])[0] == examples
    assert not {row.text for row in rest} & {text for texts in examples.values() for text in texts}


def test_a_detector_denies_some_topics_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [len(group) for group in topics.groups_of(map(str, range(23)))] == [10, 10, 3]
    asked: list[int] = []

    class Recorded:
        """Says of every row of a topic that it is one."""

        def __init__(self, task: Task, config: dict[str, Any]) -> None:
            asked.append(len(config["denied"]))

        def __call__(self, row: Row) -> tasks.Opinion:
            return tasks.Opinion(float(row.label != "oos"), (), 1.0)

    monkeypatch.setattr(topics, "asker", Recorded)
    rows = [Row(f"{topic} {n}", f"t{topic}") for topic in range(12) for n in range(24)] + [Row("else", "oos")]
    result = evaluate("topic", rows)
    assert asked == [10, 2]
    # Twelve rows of each of twelve topics, and the one that is out of scope twice.
    assert (result["topics"], result["n"], result["positives"]) == (12, 146, 144)
    assert (result["auroc"], result["recall"], result["fpr"]) == (1.0, 1.0, 0.0)


# --- the command ----------------------------------------------------------------------------------------


def test_json_is_one_object_with_every_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = write(tmp_path, {"text": "You are a worthless idiot", "label": 1}, {"text": "Good morning", "label": 0})
    printed = command("evaluate", rows, rows, "--detector", "toxicity", "--json")
    result = json.loads(printed)
    assert printed.count("\n") == 1
    assert set(result) >= {
        "n", "positives", "precision", "recall", "f1", "auroc", "recall_at_1pct_fpr", "fpr", "fpr_by_source",
        "recall_by_source", "recall_by_kind", "recall_by_kind_at_1pct_fpr", "latency_ms",
    }  # fmt: skip
    assert (result["n"], result["positives"]) == (4, 2)
    assert set(result["latency_ms"]) == {"p50", "p99"}
    # No terminal, no progress.
    assert capsys.readouterr().err == ""


def test_without_json_it_is_lines(tmp_path: Path) -> None:
    rows = write(tmp_path, {"text": "Good morning", "label": 0})
    printed = command("evaluate", rows, "--detector", "toxicity")
    assert "n: 1\n" in printed
    assert "recall: not known\n" in printed


def test_the_published_table_names_its_data_commit_and_machine(tmp_path: Path) -> None:
    write(tmp_path, {"text": "You are a worthless idiot", "label": 1}, {"text": "Good morning", "label": 0},
          name="toxicity.dev.jsonl")  # fmt: skip
    write(tmp_path, *[{"text": f"Good morning {n}", "label": 0, "source": "doc"} for n in range(5)],
          {"text": "word " * 300, "label": 0}, name="benign_tool_traffic.jsonl")  # fmt: skip
    (tmp_path / "README.md").write_text("not data")
    printed = command("bench", "--data", tmp_path, "--limit", 3)
    assert "toxicity.dev.jsonl" in printed
    assert "README" not in printed
    made = json.loads(command("bench", "--data", tmp_path, "--limit", 3, "--json"))
    assert set(made["measured"]) == {"toxicity", "policy balanced"}
    # Three of the five, one long one, and both of the other file.
    assert made["measured"]["toxicity"]["n"] == 6
    assert made["machine"]
    assert made["commit"]
    assert made["speed"]["1 kB"]["texts"] == 1
    assert made["speed"]["20 kB"] == {"texts": 0, "p50": None, "p99": None}


def test_the_published_table_tells_each_kind_of_attack_apart(tmp_path: Path) -> None:
    rows = (("sqli", "' OR '1'='1"), ("xss", "good morning"), ("xss", "<img src=x onerror=alert(1)>"), ("norm", "Bern"))
    write(tmp_path, *[{"text": text, "label": int(sub != "norm"), "sub": sub} for sub, text in rows],
          name="web_attack_args.jsonl")  # fmt: skip
    printed = command("bench", "--data", tmp_path)
    assert "| web_attack, by kind | recall | recall at 1 % FPR |\n|---|---|---|\n| sqli | 1.000 |" in printed


@pytest.mark.claim("guardrails.evaluate-input")
def test_a_directory_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no labelled data"):
        table.make_table(tmp_path)
