import json
import math

import pytest

from qaconv_reid.reports import RunLog, read_run_log

RECORDS = [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "name": "Zürich", "rates": [0.1, 0.2]}]


def write(path, records):
    with RunLog(path) as log:
        for record in records:
            log.append(record)


def test_records_come_back_and_the_folder_is_made(tmp_path):
    path = tmp_path / "runs" / "first" / "metrics.jsonl"
    write(path, RECORDS)
    assert read_run_log(path) == RECORDS
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_a_record_is_there_as_soon_as_it_is_written(tmp_path):
    with RunLog(tmp_path / "log") as log:
        log.append(RECORDS[0])
        assert read_run_log(tmp_path / "log") == RECORDS[:1]


@pytest.mark.parametrize("torn", [b'{"epoch": 3, "lo', b'{"name": "Z\xc3', b"42"])
def test_a_torn_last_line_is_passed_over_and_cut_off_by_the_next_run(tmp_path, torn):
    path = tmp_path / "log"
    write(path, RECORDS)
    with path.open("ab") as file:
        file.write(torn)
    assert read_run_log(path) == RECORDS
    write(path, [{"epoch": 3}])
    assert read_run_log(path) == [*RECORDS, {"epoch": 3}]


def test_a_whole_last_line_without_its_end_is_kept(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"epoch": 1}')
    assert read_run_log(path) == [{"epoch": 1}]
    write(path, [{"epoch": 2}])
    assert read_run_log(path) == [{"epoch": 1}, {"epoch": 2}]


def test_damage_elsewhere_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"epoch": 1}\n{"epo\n{"epoch": 3}\n')
    with pytest.raises(ValueError, match="got no JSON object in line 2"):
        read_run_log(path)


def test_an_empty_log(tmp_path):
    write(tmp_path / "log", [])
    assert read_run_log(tmp_path / "log") == []


def test_numbers_that_json_does_not_know_are_strings(tmp_path):
    path = tmp_path / "log"
    write(path, [{"loss": math.nan, "parts": {"a": (math.inf, 1.0)}, "norm": -math.inf}])
    [record] = read_run_log(path)
    assert record == {"loss": "nan", "parts": {"a": ["inf", 1.0]}, "norm": "-inf"}
    json.loads(path.read_text(), parse_constant=pytest.fail)


def test_what_json_cannot_write_leaves_the_log_as_it_was(tmp_path):
    with RunLog(tmp_path / "log") as log:
        log.append(RECORDS[0])
        with pytest.raises(TypeError):
            log.append({"bad": object()})
        log.append(RECORDS[1])
    assert read_run_log(tmp_path / "log") == RECORDS


def test_line_separators_inside_a_record_do_not_end_its_line(tmp_path):
    record = {"note": "one\u2028two\x85three\x0bfour\rfive"}
    write(tmp_path / "log", [record, {"epoch": 2}])
    assert read_run_log(tmp_path / "log") == [record, {"epoch": 2}]
