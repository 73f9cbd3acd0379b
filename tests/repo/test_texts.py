"""Every module says what it is for; no file tells where or under which circumstances it was written."""

from __future__ import annotations

import ast
import re

import pytest

from tests.repo.sources import native_files, python_files, text, tracked

# Each pattern is written so that it does not match itself.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.\-/$}~<>\"])/(?:wor[k]|roo[t]|home/\w+|User[s])/",
    "a package mirror": r"/opt/pyp[i]|/opt/wheel[s]|simple-inde[x]|artifactor[y]",
    "a tracker": r"(?i)\bissues? +#?\d+|\bissue tracke[r]|\bclose[sd]? #\d+",
    "unfinished work": r"\bTOD[O]\b|\bFIXM[E]\b|\bXX[X]\b",
}
BINARY = (".npy", ".npz", ".onnx", ".plan", ".png", ".jpg", ".bin")
SENTENCE = re.compile(r"^[^\n]*[.!?](?:\n|$)")


def findings(content: str) -> list[str]:
    """Return "what it is: the words" for each forbidden text."""
    return [f"{reason}: {match[0]}" for reason, pattern in FORBIDDEN.items() for match in re.finditer(pattern, content)]


def first_comment(source: str) -> str:
    """Return the first line of the comment with which a native source opens, or an empty text."""
    match = re.match(r"\s*(?://|/\*)\s*(.+)", source)
    return match[1] if match else ""


@pytest.mark.parametrize("name", [name for name in tracked() if not name.endswith(BINARY)])
def test_nothing_of_its_making(name: str) -> None:
    assert findings(text(name)) == []


@pytest.mark.parametrize("name", python_files())
def test_python_module_opens_with_a_sentence(name: str) -> None:
    docstring = ast.get_docstring(ast.parse(text(name)))
    assert docstring, f"{name} has no docstring"
    assert SENTENCE.match(docstring), f"{name}: the first line is not a sentence: {docstring.splitlines()[0]}"


@pytest.mark.parametrize("name", native_files())
def test_native_source_opens_with_a_comment(name: str) -> None:
    assert first_comment(text(name)), f"{name} does not say what it is"


def test_rules_find_what_they_forbid() -> None:
    for sample in ("see /wor" + "k/main", "in iss" + "ue 7", "TO" + "DO: later", "/opt/py" + "pi/simple"):
        assert findings(sample), sample
    assert first_comment("#include <x>\n") == ""
    assert not SENTENCE.match("no full stop\n\nmore.")
