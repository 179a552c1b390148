"""Named queries: read from the file beside the module, without its comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.queries import Queries

FILE = """
-- What several queries have in common.

-- part: tenants
select name from tenants

-- name: find
-- A comment with a :word, which is no parameter.
{tenants}
    -- also further in
where id = :id

-- name: count
select count(*) from tenants
"""


@pytest.fixture
def module(tmp_path: Path) -> str:
    return str(tmp_path / "repository.py")


def load(module: str, content: str) -> Queries[str]:
    Path(module).with_name("queries.sql").write_text(content)
    return Queries(module, str)


def test_queries_are_attributes_without_comments(module: str) -> None:
    queries = load(module, FILE)
    assert queries.find == "select name from tenants\nwhere id = :id"
    assert queries.count == "select count(*) from tenants"


def test_queries_with_an_unknown_name_raise(module: str) -> None:
    with pytest.raises(AttributeError, match=r"queries\.sql has no query 'fund'"):
        _ = load(module, FILE).fund


@pytest.mark.parametrize(
    "content", ["select 1\n" + FILE, FILE + "-- name: find\nselect 1\n", "-- name: two words\n"]
)
def test_queries_of_a_malformed_file_raise_when_loaded(module: str, content: str) -> None:
    with pytest.raises(ValueError, match=r"queries\.sql: "):
        load(module, content)
