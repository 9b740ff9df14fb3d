"""Of several starts the best is chosen; an interrupted choice goes on."""

from __future__ import annotations

import json

import pytest

from qaconv_reid.documents import DocumentError
from qaconv_reid.recipes.trials import best_start
from qaconv_reid.training import CollapsedError


class _Started:
    """In a trainer's place: reaches an accuracy, or collapses."""

    def __init__(self, outcome):
        self.outcome = outcome

    def accuracy_after(self, images):
        assert images == 320
        if self.outcome is None:
            raise CollapsedError("the matcher's scale is gone")
        return self.outcome


def choose(outcomes, file, built, said=None, writes=True):
    def build(number):
        built.append(number)
        return _Started(outcomes[number])

    say = [].append if said is None else said.append
    return best_start(len(outcomes), 320, build, file, writes=writes, say=say)


def test_the_best_is_chosen_and_all_are_kept(tmp_path):
    built, said = [], []
    assert choose([0.2, None, 0.5, 0.5], tmp_path / "t.json", built, said) == 2
    assert built == [0, 1, 2, 3]
    assert json.loads((tmp_path / "t.json").read_text()) == {"accuracies": [0.2, None, 0.5, 0.5]}
    assert said == [
        "start 1 of 4: batch accuracy 20.0 %",
        "start 2 of 4: the matcher's scale is gone",
        "start 3 of 4: batch accuracy 50.0 %",
        "start 4 of 4: batch accuracy 50.0 %",
        "start 3 is trained from its beginning (start.trials)",
    ]


def test_an_interrupted_choice_goes_on(tmp_path):
    file, built = tmp_path / "t.json", []
    choose([0.2, 0.7], file, [])
    assert choose([0.0, 0.0, 0.6], file, built) == 1
    assert built == [2]


def test_other_processes_write_nothing(tmp_path):
    assert choose([0.1], tmp_path / "t.json", [], writes=False) == 0
    assert not (tmp_path / "t.json").exists()


def test_all_collapsed(tmp_path):
    with pytest.raises(CollapsedError, match="all 2 starts collapsed"):
        choose([None, None], tmp_path / "t.json", [])


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"accuracies": ["a"]}'])
def test_a_garbled_file_is_named(text, tmp_path):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DocumentError, match=r"t\.json"):
        choose([0.1], tmp_path / "t.json", [])
