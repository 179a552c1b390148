"""`penguin platform images` against a real API and the lab's registry."""

from __future__ import annotations

import json

import pytest

from cli import faults
from controlplane.images import faults as image_faults
from controlplane.images.settings import ImageSettings
from tests.support.command_line import Terminal
from tests.support.faults import assert_shows
from tests.support.image_registry import NEWER, OLDER, ImageRegistry

IMAGES = ("platform", "images")


@pytest.fixture
def images(image_registry: ImageRegistry) -> ImageSettings:
    return image_registry.settings


def short(digest: str) -> str:
    return digest[: len("sha256:") + 12]


def test_images_are_shown_before_they_are_pinned(plane, penguin, capsys, image_registry):
    assert penguin(*IMAGES, "pin", OLDER, stdin=Terminal("n\n")) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].split() == ["SERVICE", "IMAGE", "OLD", "NEW"]
    assert f"(none)  {OLDER} {short(image_registry.digests[OLDER]['front'])}" in shown.out
    assert f"Pin these images of Mailu {OLDER}? [y/N]: " in shown.err
    command = f"penguin platform images pin {OLDER}"
    assert_shows(shown.err, faults.UNCONFIRMED, reason="the answer was no", command=command)
    assert penguin(*IMAGES, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert penguin(*IMAGES, "pin", OLDER, stdin=Terminal("y\n")) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"the images of Mailu {OLDER} are pinned"
    assert penguin(*IMAGES, "pin", NEWER, "--yes") == 0
    old, new = (image_registry.digests[version]["imap"] for version in (OLDER, NEWER))
    assert f"{OLDER} {short(old)}  {NEWER} {short(new)}" in capsys.readouterr().out


def test_pinned_images_are_listed(plane, penguin, capsys, image_registry):
    assert penguin(*IMAGES, "pin", NEWER, "--yes", "-o", "json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["version"], done["outcome"]) == (NEWER, "pinned")
    assert penguin(*IMAGES) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["SERVICE", "IMAGE", "TAG", "DIGEST", "PINNED", "ACTOR"]
    front = next(row.split() for row in rows if row.startswith("front"))
    digest = image_registry.digests[NEWER]["front"]
    assert front[:4] == ["front", "ghcr.io/mailu/nginx", NEWER, short(digest)]
    assert penguin(*IMAGES, "-o", "json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert {one["service"]: one["digest"] for one in listed} == image_registry.digests[NEWER]
    assert penguin(*IMAGES, "pin", NEWER, "--yes") == 0
    assert "unchanged: " in capsys.readouterr().out


def test_document_on_standard_output_is_alone_where_it_asks(plane, penguin, capsys):
    assert penguin(*IMAGES, "pin", NEWER, "-o", "json", stdin=Terminal("y\n")) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["outcome"] == "pinned"
    assert "SERVICE" in shown.err


def test_registry_that_is_away_is_an_error_with_a_remedy(plane, penguin, capsys, image_registry):
    image_registry.server.inject("away")
    assert penguin(*IMAGES, "pin", NEWER, "--yes") == 1
    registry = image_registry.settings.registry
    shown = capsys.readouterr().err
    assert_shows(shown, image_faults.UNREACHABLE, registry=registry, reason=...)
