"""`make audit` tells a clean answer from none."""

import json

from tests.advisories import npm_answer, npm_licences, python_answer, python_licences


def test_a_package_that_the_service_does_not_know_is_not_clean():
    """pip-audit skips it; it is counted, and said."""
    printed = json.dumps(
        {
            "dependencies": [
                {"name": "aiohttp", "version": "3.14.5", "vulns": []},
                {"name": "uvloop", "skip_reason": "not found"},
                {"name": "yarl", "skip_reason": "not found"},
            ]
        }
    )
    verdict = python_answer("Python", 3, printed, "")

    assert list(verdict.lines()) == ["? Python: not answered for 2 of 3 packages"]


def test_a_known_hole_is_said_with_what_mends_it():
    """And is not hidden by packages that are not known."""
    holed = {"name": "aiohttp", "version": "3.8.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.8.5"]}]}
    verdict = python_answer("Python", 1, json.dumps({"dependencies": [holed]}), "")

    assert list(verdict.lines()) == ["✗ Python: aiohttp 3.8.0: PYSEC-1, mended in 3.8.5"]


def test_a_service_that_refuses_has_not_answered():
    """npm prints its refusal where its verdict would stand."""
    refused = npm_answer("npm", 8, json.dumps({"message": "405 Method Not Allowed"}))
    silent = python_answer("Python", 8, "", "Traceback\nConnectionError: no route")
    clean = npm_answer("npm", 8, json.dumps({"vulnerabilities": {}}))

    assert list(refused.lines()) == ["? npm: not answered: 405 Method Not Allowed"]
    assert list(silent.lines()) == ["? Python: not answered: ConnectionError: no route"]
    assert list(clean.lines()) == ["✓ npm: nothing known of 8 packages"]


def test_holes_in_npm_packages_are_said():
    """By package, with how bad it is and which versions have it."""
    printed = json.dumps({"vulnerabilities": {"left-pad": {"severity": "high", "range": "<1.3"}}})

    assert npm_answer("npm", 8, printed).found == ("left-pad: high, <1.3",)


def test_every_package_has_a_licence():
    """What runs and what tests need says under which it comes."""
    assert "not said" not in npm_licences()
    assert "not said" not in python_licences()
