"""The engine's texts become codes and messages."""

import pytest

from hedgerow.embedded.clickhouse.errors import from_engine, http_status


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("Code: 47. DB::Exception: Unknown `x`. (UNKNOWN_IDENTIFIER)", 47, "Unknown `x`. (UNKNOWN_IDENTIFIER)"),
        (
            "Code: 504. DB::Exception: Code: 504. DB::Exception: File exists. (FILE) (version 26.9.2.1). (FILE)",
            504,
            "File exists. (FILE)",
        ),
        (
            "Code: 27. DB::Exception: Cannot parse: (at row 1)\n: While x. (PARSE) (version 26.9.2.1)",
            27,
            "Cannot parse: (at row 1)\n: While x. (PARSE)",
        ),
        ("no code at all", 1001, "RuntimeError: no code at all. (STD_EXCEPTION)"),
    ],
)
def test_the_engines_text_is_taken_apart(text: str, code: int, message: str) -> None:
    error = from_engine(RuntimeError(text))
    assert (error.code, error.message) == (code, message)
    assert error.text("1.2") == f"Code: {code}. DB::Exception: {message} (version 1.2)"


def test_statuses_are_clickhouses() -> None:
    assert [http_status(code) for code in (62, 60, 516, 497, 48, 159, 394, 194)] == [
        400,
        404,
        403,
        403,
        501,
        408,
        500,
        401,
    ]
