"""What a use of something deprecated raises or shows: a warning that carries all facts of its entry."""

from __future__ import annotations

import datetime

from enginewright_compat.deprecation.registry import Deprecation


class DeprecationNotice(Warning):
    """What both warnings share: the entry of the registry, and its facts by name."""

    @property
    def entry(self) -> Deprecation:
        """The entry with which the warning was made, its only argument."""
        entry: Deprecation = self.args[0]
        return entry

    def __str__(self) -> str:
        return self.entry.text

    @property
    def id(self) -> str:
        """The id, never used for anything else: EW-D0012."""
        return self.entry.id

    @property
    def target(self) -> str:
        """What is deprecated."""
        return self.entry.target

    @property
    def stage(self) -> str:
        """How loud: "soft", "warn", "loud", "removed"."""
        return self.entry.stage

    @property
    def since(self) -> str:
        """The first release that warns; "next" in a development build."""
        return self.entry.since

    @property
    def since_date(self) -> datetime.date | None:
        """The day of that release."""
        return self.entry.since_date

    @property
    def removal_in(self) -> str:
        """The release that removes it."""
        return self.entry.removal_in

    @property
    def not_before(self) -> datetime.date | None:
        """The day before which it is not removed."""
        return self.entry.not_before

    @property
    def replacement(self) -> str:
        """What to use instead, or "none"."""
        return self.entry.replacement

    @property
    def migration(self) -> str:
        """What to do, in one sentence."""
        return self.entry.migration

    @property
    def url(self) -> str:
        """Where it is explained."""
        return self.entry.url


class EnginewrightDeprecationWarning(DeprecationNotice, DeprecationWarning):
    """Something that you use will be removed; Python shows it to developers: in `__main__` and in tests."""


class EnginewrightRemovalWarning(DeprecationNotice, FutureWarning):
    """Something that you use is removed in the next major release, or a default changes; shown to everyone."""


def notice(entry: Deprecation) -> EnginewrightDeprecationWarning | EnginewrightRemovalWarning:
    """Return the warning for an entry: the loud one in its last releases, and for defaults that change."""
    loud = entry.stage == "loud" or entry.kind == "default"
    return EnginewrightRemovalWarning(entry) if loud else EnginewrightDeprecationWarning(entry)
