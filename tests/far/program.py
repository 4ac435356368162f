"""The built program as an installation of its own: configuration, key, state, policy; its runs."""

import json
import os
import secrets
import subprocess

from far import GROUP

PROGRAM = os.environ.get("MOONLATCH") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../build/release/moonlatch")

CONFIG = """return {{ profiles = {{ far = {{
  tenant = "{tenant}",
  cloud = {{ login = "{login}", graph = "{graph}", ca = "{ca}" }},
  emulator = {emulator},
  sign_in = {{ method = "client_secret", client_id = "{client}", secret = {{ from = "file", path = "{folder}/secret" }} }},
  key = {{ from = "file", path = "{folder}/key" }},
  state = "{folder}/state",
  devolutions = {{ server = "{server}", ca = "{ca}", app_key = "{app_key}",
    app_secret = {{ from = "file", path = "{folder}/app" }}, vault = "{vault}",
    linked = {linked} }},
}} }} }}
"""

POLICY = """local policy = require "policy"
return policy {{
  summary = "Everybody in the group",
  select = policy.users {{ group = "{group}" }},
  every = "{every}",
  limits = {{ max_changes = {most}, canary = {canary}, stop_on_failure = false }},
  password = {{ length = 32 }},
  sink = policy.devolutions.server {{ vault = "{vault}", path = "Entra\\\\Tier0" }},
}}
"""


class Run:
    """What a run of the program said: exit status, its JSON document, what it wrote."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        try:
            self.document = json.loads(out)
        except ValueError:
            self.document = None

    def accounts(self):
        """The accounts it tells of, by user name in lower case: what and why."""
        found = {}
        for policy in (self.document or {}).get("policies", []):
            for account in policy.get("accounts", []):
                found[account["name"].lower()] = account
        return found

    def said(self, name):
        """What it says of this user: "changed", "failed", … None when nothing."""
        account = self.accounts().get(name.lower())
        return account and account["what"]

    def names(self, name):
        """Is this user named anywhere in what it wrote?"""
        return name.lower() in (self.out + self.err).lower()


class Installation:
    """A machine with the program: a home, a key and a state of its own."""

    def __init__(self, far, folder, name, client=None, virtual=True, linked=False, **policy):
        self.linked, self.far, self.home = linked, far, os.path.join(folder, name)
        os.makedirs(self.home, mode=0o700)
        self.config, self.policy = os.path.join(self.home, "moonlatch.lua"), os.path.join(self.home, "policy.lua")
        client, value = client or far.rotator(f"Rotator {name}")
        self.client = client
        self.write("secret", value)
        self.write("key", secrets.token_urlsafe(48))
        self.write("app", far.vault.secret)
        self.use_clock(virtual)
        fields = {"group": GROUP, "every": "30d", "most": 500, "canary": 0, "vault": far.vault.name}
        self.write("policy.lua", POLICY.format(**{**fields, **policy}))

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def use_clock(self, virtual):
        """Follow the far side's clock file, so that waits take no time; or real time."""
        far = self.far
        self.write("moonlatch.lua", CONFIG.format(
            tenant=far.directory.tenant, login=far.login.base, graph=far.graph.base, ca=far.ca, client=self.client,
            folder=self.home, server=far.servers["vault"].url(), app_key=far.vault.key, vault=far.vault.name,
            linked="true" if self.linked else "false",
            emulator=f'{{ clock = "{far.clock.path}" }}' if virtual else "true"))

    def start(self, *words):
        """Start the program; the process."""
        return subprocess.Popen(
            [PROGRAM, *words, "--config", self.config], cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"HOME": self.home, "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"})

    def run(self, *words, seconds=300):
        """Run the program to its end."""
        child = self.start(*words)
        try:
            out, err = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
        return Run(child.returncode, out, err)

    def rotate(self, *words, seconds=300):
        return self.run("rotate", self.policy, "--yes", "--json", *words, seconds=seconds)

    def plan(self, *words):
        return self.run("plan", self.policy, "--json", *words)
