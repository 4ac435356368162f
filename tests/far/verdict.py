"""What the truth says of what was claimed."""

PENDING = "moonlatch-password-pending"
CURRENT = "moonlatch-password"


def entries_of(far, name):
    """The entries that are kept for a user, current ones and pending ones."""
    current, pending = [], []
    for entry in far.vault.living():
        if entry["type"] != "Credential" or (entry["data"].get("username") or "").lower() != name.lower():
            continue
        (pending if PENDING in entry["tags"] else current).append(entry)
    return current, pending


def account(far, key):
    """One account: is its live password held, and does an entry claim one that is not?"""
    user = far.directory.users[key]
    current, pending = entries_of(far, user.now["userPrincipalName"])
    live = user.passwords.live
    return {
        "name": user.now["userPrincipalName"], "who": user.passwords.who, "changes": len(user.passwords.history) - 1,
        "setters": user.passwords.setters(1),
        "held": any(entry["data"].get("password") == live for entry in far.vault.living()),
        "held_current": any(entry["data"].get("password") == live for entry in current),
        "dead_current": [entry["name"] for entry in current if entry["data"].get("password") != live],
        "current": len(current), "pending": len(pending),
    }


def look(far):
    """All accounts, by object id."""
    far.clock.catch_up()
    with far.lock:
        return {key: account(far, key) for key in far.directory.users}


def false_successes(far, run):
    """Accounts of which the run says that all is well, and the vault's current entry is not what is in force."""
    found = []
    for key, one in look(far).items():
        if run.said(one["name"]) == "changed" and not one["held_current"]:
            found.append((key, one))
    return found


def dark(far, ours):
    """Accounts whose live password we set and no entry holds; `ours`: ids of the applications that are us."""
    return [one for one in look(far).values() if one["who"] in ours and not one["held"]]
