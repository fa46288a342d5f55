import asyncio
import gc
import io
import json
import logging
import re

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from olfactory_transformer.observe.handlers import LogFileHandler
from olfactory_transformer.observe.logs import configure_logging

logger = logging.getLogger("olfactory_transformer.x")
MOLECULE = "CCCCCCCC=O"
NASTY = "a\nb\r\x1b[31m\x7f\u2028\ud800c"


def records(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_by_default_where_nobody_reads(log):
    stream = log()
    with bound_contextvars(request_id="abc"):
        logger.info("it is %s", "done")
    (record,) = records(stream)
    assert list(record) == ["timestamp", "level", "logger", "message", "request_id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    assert record == {
        "level": "INFO",
        "logger": "olfactory_transformer.x",
        "message": "it is done",
        "request_id": "abc",
    }


def test_text_by_default_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    root = logging.getLogger()
    kept = root.handlers, root.level
    configure_logging("INFO", terminal := Terminal())
    logger.warning("seen")
    root.handlers, root.level = kept
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - olfactory_transformer\.x - WARNING - seen\n",
        terminal.getvalue(),
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_records_of_structlog_are_written_alike(log, form):
    stream = log(form=form)
    with bound_contextvars(request_id="abc"):
        structlog.get_logger("olfactory_transformer.y").info("loaded", words=138, share=float("nan"))
        structlog.get_logger("olfactory_transformer.y").debug("not at this level")
    if form == "text":
        assert stream.getvalue().endswith(
            " - olfactory_transformer.y - INFO - loaded words=138 share=nan request_id=abc\n"
        )
    else:
        (record,) = records(stream)
        assert record.items() >= {"words": 138, "share": "nan", "request_id": "abc"}.items()


def test_no_member_of_a_record_is_replaced_by_another(log):
    stream = log()
    structlog.get_logger("olfactory_transformer.y").info(
        "true", message="forged", level="none", timestamp="0"
    )
    (record,) = records(stream)
    assert (record["message"], record["level"]) == ("true", "INFO")
    assert record["timestamp"] != "0"


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_text_makes_a_second_line_or_reaches_the_terminal(log, form):
    stream = log(form=form)
    logger.info(NASTY)
    structlog.get_logger("olfactory_transformer.y").info("x", given=NASTY)
    assert re.fullmatch(r"([\x20-\x7e]+\n){2}", stream.getvalue())
    if form == "json":
        assert records(stream)[0]["message"] == NASTY  # and nothing is lost


def fail():
    try:
        raise KeyError(MOLECULE)
    except KeyError as error:
        raise ExceptionGroup(MOLECULE, [ValueError(MOLECULE)]) from error


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "write", [logger.exception, lambda text: structlog.get_logger("uvicorn").exception(text)]
)
def test_exceptions_are_types_and_places(log, form, write):
    stream = log(form=form)
    try:
        fail()
    except ExceptionGroup:
        write("failed")
    text = stream.getvalue()
    assert MOLECULE not in text
    places = text if form == "text" else records(stream)[0]["exception"]
    kinds = re.findall(r"^ *builtins\.(\w+)$", places, re.MULTILINE)
    assert kinds == ["KeyError", "ExceptionGroup", "ValueError"]
    assert 'test_logs.py", line' in places
    if form == "text":
        assert all(line.startswith("    ") for line in text.splitlines()[1:])


def test_their_messages_are_written_at_debug(log):
    stream = log("DEBUG", form="text")
    try:
        fail()
    except ExceptionGroup:
        logger.exception("failed")
    assert MOLECULE in stream.getvalue()


def test_a_circle_of_causes_ends(log):
    stream = log()
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    logger.error("failed", exc_info=one)
    assert records(stream)[0]["exception"] == "builtins.KeyError\nbuiltins.ValueError"


def test_a_task_that_failed_unseen_does_not_tell_its_message(log):
    """asyncio writes the exception of a task that nobody awaited into the message itself."""
    stream = log()

    async def main():
        async def task():
            raise ValueError(MOLECULE)

        _ = asyncio.ensure_future(task())  # noqa: RUF006 - that is the fault
        await asyncio.sleep(0.01)

    asyncio.run(main())
    gc.collect()
    (record,) = records(stream)
    assert record["message"] == "Task exception was never retrieved"
    assert "ValueError" in record["exception"]
    assert MOLECULE not in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_passwords_of_urls_are_hidden(log, form):
    stream = log(form=form)
    logger.warning("cannot reach %s", "redis://:s3cret@cache:6379/0 or postgresql://me:s3cret@db/x")
    assert "s3cret" not in stream.getvalue()
    assert "redis://:***@cache:6379/0 or postgresql://me:***@db/x" in stream.getvalue()


@pytest.mark.parametrize(("level", "lines"), [("DEBUG", 2), ("INFO", 2), ("WARNING", 1), ("CRITICAL", 0)])
def test_the_level_is_obeyed(log, level, lines):
    stream = log(level)
    logger.info("a")
    logging.getLogger("uvicorn.error").warning("b")
    assert len(records(stream)) == lines


def test_a_request_in_one_task_does_not_lend_its_id_to_another(log):
    stream = log()

    async def request(number):
        with bound_contextvars(request_id=str(number)):
            await asyncio.sleep(0.001 * (number % 3))
            await asyncio.to_thread(logger.info, "%d", number)

    async def main():
        await asyncio.gather(*map(request, range(20)))

    asyncio.run(main())
    assert [r["message"] for r in records(stream)] == [r["request_id"] for r in records(stream)]
    logger.info("after")
    assert "request_id" not in records(stream)[-1]


def test_the_file_gets_json_whatever_the_terminal_gets(log, tmp_path):
    path = tmp_path / "logs" / "app.log"
    stream = log(form="text", file=path)
    with bound_contextvars(request_id="abc"):
        logger.info("done")
    assert " - done request_id=abc" in stream.getvalue()
    assert json.loads(path.read_text())["request_id"] == "abc"
    assert path.stat().st_mode & 0o007 == 0


def test_the_file_is_replaced_when_it_is_full_and_five_are_kept(tmp_path):
    path = tmp_path / "app.log"
    handler = LogFileHandler(path, max_bytes=200)
    for number in range(60):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, f"record {number:040d}", (), None))
    handler.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["app.log", *(f"app.log.{n}" for n in range(1, 6))]
    assert all(file.stat().st_size <= 200 for file in files)
    lines = [line for file in [files[0], *files[1:]] for line in reversed(file.read_text().splitlines())]
    assert lines == [f"record {59 - i:040d}" for i in range(len(lines))]  # none lost, none torn


def test_the_size_is_that_of_the_guide():
    assert (LogFileHandler("x").maxBytes, LogFileHandler("x").backupCount) == (10485760, 5)


def test_a_file_that_cannot_be_written_is_told_of_once(log, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    stream = log(file=tmp_path / "file" / "app.log")
    for number in range(3):
        logger.info("%d", number)
    assert [r["message"] for r in records(stream)] == ["0", "1", "2"]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "app.log: cannot log (" in said


def test_a_full_disk_is_told_of_once_and_logging_goes_on_when_there_is_room(log, tmp_path, capsys):
    path = tmp_path / "app.log"
    path.symlink_to("/dev/full")  # every write to it fails with "No space left on device"
    stream = log(file=path)
    for _ in range(1000):
        logger.info("lost %s", "x" * 100)
    assert len(records(stream)) == 1000
    path.unlink()
    logger.info("kept")
    assert [json.loads(line)["message"] for line in path.read_text().splitlines()] == ["kept"]
    assert re.fullmatch(
        r"olfactory: .*app\.log: cannot log \(No space left on device\).*\n", capsys.readouterr().err
    )
    path.unlink()
    path.symlink_to("/dev/full")
    configure_logging("INFO", stream, file=path)
    logger.info("lost")
    assert capsys.readouterr().err.count("\n") == 1  # a new failure is told of anew


def test_a_record_that_a_crash_cut_off_spoils_no_other(log, tmp_path):
    path = tmp_path / "app.log"
    path.write_text('{"timestamp": "2026-')
    log(file=path)
    logger.info("next")
    assert json.loads(path.read_text().splitlines()[1])["message"] == "next"


def test_a_closed_output_stops_nothing(log, tmp_path, capsys):
    log(file=tmp_path / "app.log").close()
    logger.info("to the file alone")
    logger.info("%d", "not a number")  # nor does a wrong call, whose arguments are not told
    assert "to the file alone" in (tmp_path / "app.log").read_text()
    assert "not a number" not in capsys.readouterr().err
