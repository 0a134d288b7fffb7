"""Violations planted into what members got: the oracle must find each, and nothing else."""

import unittest

import oracle
from oracle import MARK, Publisher, Session

ROOM = "lobby"


def publisher(name=b"p", sent=5, **more):
    return Publisher(name, ROOM, sent_at=[0.0] * sent, **more)


def session(*events, name=b"p", **more):
    """A member that got the lines with these numbers, or MARK."""
    events = [event if event is MARK or isinstance(event, tuple) else (name, event)
              for event in events]
    return Session(0, ROOM, events=events, **more)


def judge(sessions, publishers=None, marks=False):
    """The violations by kind, without those that were not found."""
    verdict = oracle.judge(sessions, publishers or [publisher()], lambda _: marks)
    found = {kind: getattr(verdict, kind) for kind in oracle.VIOLATIONS}
    return {kind: count for kind, count in found.items() if count}


class Planted(unittest.TestCase):
    def test_all_lines_are_well(self):
        self.assertEqual(judge([session(1, 2, 3, 4, 5), session(3, 4, 5)]), {})

    def test_a_silent_gap(self):
        self.assertEqual(judge([session(1, 2, 4, 5)]), {"gaps": 1})

    def test_a_gap_behind_a_mark(self):
        self.assertEqual(judge([session(1, 2, MARK, 4, 5)], marks=True), {})
        # The mark must stand between the lines around the gap.
        self.assertEqual(judge([session(1, MARK, 2, 4, 5)], marks=True), {"gaps": 1})
        self.assertEqual(judge([session(1, 2, 4, MARK, 5)], marks=True), {"gaps": 1})

    def test_gaps_behind_marks_are_counted(self):
        sessions = [session(1, 2, MARK, 4, 5), session(1, MARK, 2, 3, 4, 5)]
        verdict = oracle.judge(sessions, [publisher()], lambda _: True)
        self.assertEqual((verdict.marks, verdict.marked), (2, 1))

    def test_a_mark_is_for_all_publishers(self):
        two = [publisher(b"a", 3), publisher(b"b", 3)]
        got = [(b"a", 1), (b"b", 1), MARK, (b"a", 3), (b"b", 3)]
        self.assertEqual(judge([session(*got)], two, marks=True), {})

    def test_a_gap_of_lines_that_the_publisher_was_told_of(self):
        self.assertEqual(judge([session(1, 2, 4, 5)], [publisher(told={3})]), {})
        self.assertEqual(judge([session(1, 4, 5)], [publisher(told={3})]), {"gaps": 1})
        self.assertEqual(judge([session(1, 2, 3)], [publisher(told={4, 5})]), {})

    def test_a_duplicate(self):
        self.assertEqual(judge([session(1, 2, 2, 3, 4, 5)]), {"duplicates": 1})
        self.assertEqual(judge([session(1, 2, MARK, 1, 2, 3, 4, 5)], marks=True), {"duplicates": 2})

    def test_an_inversion(self):
        self.assertEqual(judge([session(1, 3, 2, 4, 5)]), {"gaps": 1, "inversions": 1})
        told = [publisher(told={2})]
        self.assertEqual(judge([session(1, 3, 2, 4, 5)], told), {"inversions": 1})

    def test_a_needless_mark(self):
        self.assertEqual(judge([session(1, 2, MARK, 3, 4, 5)]), {"needless": 1})

    def test_a_ghost(self):
        self.assertEqual(judge([session(1, 2, 3, 4, 5, 6)]), {"ghosts": 1})
        self.assertEqual(judge([session(1, 2, 3, 4, 5, (b"x", 1))]), {"ghosts": 1})
        other = Publisher(b"o", "attic", sent_at=[0.0])
        self.assertEqual(judge([session(3, 4, 5, (b"o", 1))], [publisher(), other]), {"ghosts": 1})
        own = Session(0, ROOM, name=b"p", events=[(b"p", 1)])
        self.assertEqual(judge([own]), {"ghosts": 1})

    def test_the_last_line_has_not_come(self):
        self.assertEqual(judge([session(1, 2, 3, 4)]), {"unfinished": 1})
        self.assertEqual(judge([session(1, 2, MARK)], marks=True), {"unfinished": 1})
        self.assertEqual(judge([session()]), {"unfinished": 1})

    def test_a_session_that_was_cut_is_owed_nothing_more(self):
        self.assertEqual(judge([session(1, 2, lasted=False)]), {})
        self.assertEqual(judge([session(1, 3, lasted=False)]), {"gaps": 1})

    def test_a_publisher_that_was_cut_off(self):
        gone = [publisher(sent=9, lasted=False)]
        self.assertEqual(judge([session(1, 2, 3), session(2, 3)], gone), {})
        self.assertEqual(judge([session(1, 2, 3), session(1, 2)], gone), {"gaps": 1})
        self.assertEqual(judge([session(1, 2, 3), session(1, 2, MARK)], gone, marks=True), {})
        self.assertEqual(judge([session(1, 2, 3), session()], gone), {})

    def test_a_publisher_that_came_late(self):
        late = [publisher(came_late=True)]
        self.assertEqual(judge([session(1, 2, 3, 4, 5)], late), {})
        self.assertEqual(judge([session(2, 3, 4, 5)], late), {"gaps": 1})
        self.assertEqual(judge([session(2, 3, 4, 5, came_early=False)], late), {})
        gone = [publisher(came_late=True, lasted=False)]
        self.assertEqual(judge([session(1, 2), session()], gone), {"gaps": 1})


if __name__ == "__main__":
    unittest.main()
