"""What is really so: which password was in force when, who set it, and what became of each value."""


class Passwords:
    """The history of one account's password; the last is in force."""

    def __init__(self, value, moment, who):
        self.history = [(moment, value, who)]
        self.times = [moment]  # the exact ones

    def set(self, value, moment, who, exact):
        self.history.append((moment, value, who))
        self.times.append(exact)

    @property
    def live(self):
        return self.history[-1][1]

    @property
    def who(self):
        return self.history[-1][2]

    def ever(self, value):
        """Was this value in force at any time?"""
        return any(value == one for _, one, _ in self.history)

    def setters(self, since):
        """Who set it from this place of the history on, in order."""
        return [who for _, _, who in self.history[since:]]
