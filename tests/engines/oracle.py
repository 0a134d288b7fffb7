"""The rule of shared rooms: of each publisher, members get lines in order, once, and a line is missing
only behind a mark. Knows no server and no engine."""

import dataclasses

# The event of a member between its lines.
MARK = None
MARK_LINE = b"* some messages may be missing"
TOLD = b"* not sent: "


@dataclasses.dataclass
class Publisher:
    """A connection that publishes the lines `NAME 1`, `NAME 2` and so on."""
    name: bytes
    room: str
    # The number of the last line, and when each was sent.
    sent_at: list = dataclasses.field(default_factory=list)
    # The numbers of the lines that it was told of: each may have been delivered or not.
    told: set = dataclasses.field(default_factory=set)
    # Its connection was open until the end.
    lasted: bool = True
    # It has come when others had joined already.
    came_late: bool = False

    @property
    def sent(self):
        return len(self.sent_at)

    def owes(self, first, last):
        """Returns True if one of these lines must be delivered."""
        return any(number not in self.told for number in range(first, last + 1))


@dataclasses.dataclass
class Session:
    """What a member got over one connection: pairs of a name and a number, or MARK, with times."""
    node: int
    room: str
    # Its own name, if it publishes: it does not get its own lines.
    name: bytes = b""
    # It had joined before the publishers that came late.
    came_early: bool = True
    lasted: bool = True
    events: list = dataclasses.field(default_factory=list)
    times: list = dataclasses.field(default_factory=list)


VIOLATIONS = ["gaps", "duplicates", "inversions", "ghosts", "unfinished", "needless"]


@dataclasses.dataclass
class Verdict:
    deliveries: int = 0
    # Lines that are missing without a mark: the number of places.
    gaps: int = 0
    duplicates: int = 0
    # A line after a later one of the same publisher.
    inversions: int = 0
    # Lines that were not published in this room by another connection.
    ghosts: int = 0
    # Publishers whose last line has not reached a member, though all was calm.
    unfinished: int = 0
    # Marks at nodes that have lost nothing.
    needless: int = 0
    marks: int = 0
    # Lines that are missing behind a mark: the number of places.
    marked: int = 0
    told: int = 0
    examples: list = dataclasses.field(default_factory=list)

    @property
    def violations(self):
        return sum(getattr(self, kind) for kind in VIOLATIONS)

    def found(self, kind, text):
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < 5:
            self.examples.append(f"{kind}: {text}")


def judge(sessions, publishers, may_mark=lambda session: False):
    """Returns the verdict. `may_mark(session)` is true for members that may have lost lines."""
    verdict = Verdict(told=sum(len(publisher.told) for publisher in publishers))
    by_name = {publisher.name: publisher for publisher in publishers}
    last = last_lines(sessions, publishers)
    for session in sessions:
        Judge(session, by_name, verdict).judge(last, may_mark(session))
    return verdict


def last_lines(sessions, publishers):
    """The last line that is owed of each publisher: of one that was cut off, the last that any member
    has got."""
    last = {publisher.name: publisher.sent for publisher in publishers}
    gone = {publisher.name for publisher in publishers if not publisher.lasted}
    last.update(dict.fromkeys(gone, 0))
    for session in sessions:
        for name, number in filter(None, session.events):
            if name in gone:
                last[name] = max(last[name], number)
    return last


class Judge:
    """Judges one session."""

    def __init__(self, session, publishers, verdict):
        self.session, self.publishers, self.verdict = session, publishers, verdict
        # For each publisher: the number of its last line, and of the marks before that.
        self.last = {publisher.name: (0, 0) for publisher in publishers.values()
                     if publisher.came_late and session.came_early}
        self.marks = 0

    def judge(self, last_lines, may_mark):
        for index, event in enumerate(self.session.events):
            if event is MARK:
                self.marks += 1
            else:
                self.line(index, *event)
        self.verdict.marks += self.marks
        if self.marks and not may_mark:
            self.verdict.found("needless", f"{self.marks} at node {self.session.node}")
        if self.session.lasted:
            for publisher in self.publishers.values():
                if publisher.room == self.session.room and publisher.name != self.session.name:
                    self.end(publisher, last_lines.get(publisher.name, 0))

    def line(self, index, name, number):
        publisher = self.publishers.get(name)
        if (publisher is None or publisher.room != self.session.room or name == self.session.name
                or not 0 < number <= publisher.sent):
            return self.verdict.found("ghosts", f"{name} {number} at node {self.session.node}")
        self.verdict.deliveries += 1
        before, marks = self.last.get(name, (None, 0))
        if before is not None and number <= before:
            kind = "duplicates" if (name, number) in self.session.events[:index] else "inversions"
            return self.verdict.found(kind, f"{name} {number} after {before}")
        if before is not None and publisher.owes(before + 1, number - 1):
            if marks < self.marks:
                self.verdict.marked += 1
            else:
                where = f"{name} from {before} to {number} at {self.session.node}"
                self.verdict.found("gaps", where)
        self.last[name] = number, self.marks

    def end(self, publisher, last):
        """Of a publisher that was there to the end the last line must have come, marks or not."""
        before, marks = self.last.get(publisher.name, (None, 0))
        if before is None and not publisher.lasted:
            return
        if not publisher.owes((before or 0) + 1, last):
            return
        where = f"{publisher.name} ends with {before}, not {last}, at node {self.session.node}"
        if publisher.lasted and not (before or 0) >= last:
            return self.verdict.found("unfinished", where)
        if marks == self.marks:
            self.verdict.found("gaps", where)
