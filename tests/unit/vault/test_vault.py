"""Envelopes open only with their key and for their context."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.faults import Code
from tests.support.faults import assert_shows, printed
from tests.support.points import Killed
from vault import KeyRing, Vault, VaultError, faults


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "ring.json"


@given(st.binary(max_size=4096), st.text(max_size=50))
def test_sealed_secret_opens_to_the_same_text(plaintext: bytes, context: str) -> None:
    vault = Vault(KeyRing({"a": bytes(32)}))
    assert vault.open(vault.seal(plaintext, context=context), context=context) == plaintext


def test_two_envelopes_of_one_secret_differ() -> None:
    vault = Vault(KeyRing({"a": bytes(32)}))
    assert vault.seal(b"secret", context="c") != vault.seal(b"secret", context="c")


def test_key_ring_file_is_private_and_never_replaced(path: Path) -> None:
    KeyRing.create(path)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert_shows(printed(lambda: KeyRing.create(path)), faults.EXISTS)
    assert path.read_bytes() == before


@pytest.mark.parametrize("point", ["fsync", "link"])
def test_key_ring_interrupted_while_written_is_created_the_next_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, point, killed)
        with pytest.raises(Killed):
            KeyRing.create(path)
    assert not path.exists()
    KeyRing.create(path)
    KeyRing.load(path)


def test_new_key_seals_and_the_old_one_still_opens(path: Path) -> None:
    ring = KeyRing.create(path)
    old = Vault(ring).seal(b"secret", context="c")
    ring.add_key(path)
    vault = Vault(KeyRing.load(path))
    assert vault.open(old, context="c") == b"secret"
    assert not vault.is_current(old)
    assert vault.is_current(vault.seal(b"secret", context="c"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda path: path.chmod(0o640), faults.OPEN_TO_OTHERS),
        (lambda path: path.unlink(), faults.UNUSABLE),
        (lambda path: path.write_text("{"), faults.UNUSABLE),
        (lambda path: path.write_bytes(b"\xff\xfe\x00\x80"), faults.UNUSABLE),
        (lambda path: path.write_text(json.dumps({"keys": []})), faults.UNUSABLE),
        (
            lambda path: path.write_text(json.dumps({"keys": [{"id": "a", "key": "c2hvcnQ="}]})),
            faults.UNUSABLE,
        ),
    ],
)
def test_unusable_key_ring_is_a_fault(path: Path, change, code: Code) -> None:
    KeyRing.create(path)
    change(path)
    shown = printed(lambda: KeyRing.load(path))
    assert_shows(shown, code, reason=..., mode=0o640, file=path)
    assert f"at: {path}" in shown


def test_envelope_opens_only_for_its_context() -> None:
    vault = Vault(KeyRing({"a": bytes(32)}))
    sealed = vault.seal(b"secret", context="tenant-1/dkim")
    with pytest.raises(VaultError) as caught:
        vault.open(sealed, context="tenant-2/dkim")
    assert_shows(caught.value, faults.DAMAGED_ENVELOPE)


@given(st.text(max_size=80))
def test_any_text_is_no_envelope(text: str) -> None:
    with pytest.raises(VaultError):
        Vault(KeyRing({"a": bytes(32)})).open(text, context="c")


def test_lost_key_differs_from_damage() -> None:
    sealed = Vault(KeyRing({"a": bytes(32)})).seal(b"secret", context="c")
    with pytest.raises(VaultError) as caught:
        Vault(KeyRing({"b": bytes(32)})).open(sealed, context="c")
    assert_shows(caught.value, faults.UNKNOWN_KEY)


def test_printed_key_ring_has_no_key(path: Path) -> None:
    ring = KeyRing.create(path)
    key = json.loads(path.read_text())["keys"][0]["key"]
    assert key not in repr(ring) + str(ring) + repr(Vault(ring))


def test_key_of_one_purpose_opens_nothing_else() -> None:
    ring = KeyRing({"a": bytes(32), "b": bytes([1]) * 32})
    whole, one, other = Vault(ring), Vault(ring).derived("one"), Vault(ring).derived("other")
    assert (
        Vault(KeyRing.parse(ring.derived("one").document())).open(
            one.seal(b"secret", context="c"), context="c"
        )
        == b"secret"
    )
    for sealing, opening in ((whole, one), (one, whole), (one, other)):
        with pytest.raises(VaultError):
            opening.open(sealing.seal(b"secret", context="c"), context="c")
