"""A tenant, Devolutions and the machines of a person: the emulator, and the built program as that person runs it."""

import json
import os
import shutil
import signal
import ssl
import struct
import subprocess
import urllib.error
import urllib.request

PROGRAM = os.environ.get("MOONLATCH") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../build/release/moonlatch")
SETUP = "setup/entra-pam-provider"
ACCOUNT, PROVIDER, OTHER = "uma@contoso.onmicrosoft.com", "Devolutions PAM", "Another PAM"
VAULT, IDENTITY = "Managed accounts", "PAM service"
CLOUD = "https://contoso.devolutions.app"
UNIQUE = "moonlatch-setup-entra-pam-provider-devolutions-pam"
GRAPH_CLI = "14d82eec-204b-4c2f-b7e8-296a70dab67e"


class Run:
    """What a run of the program said."""

    def __init__(self, words, status, out, err):
        self.words, self.status, self.out, self.err = words, status, out, err
        try:
            self.document = json.loads(out)
        except ValueError:
            self.document = None

    def told(self):
        """What it failed with, in a line."""
        text = self.err.strip() or self.out.strip()
        return " ".join(text[-700:].split())


class Machine:
    """A computer with the program: a configuration, a key, a state folder and a clock of its own."""

    def __init__(self, world, name):
        self.world, self.name, self.skew = world, name, 0
        self.home = os.path.join(world.folder, name)
        os.makedirs(self.home, mode=0o700)
        for file in ("ca.pem", "devolutions.secret", "journal.key"):
            shutil.copy(os.path.join(world.emulator, file), self.home)
        self.config, self.wrong = os.path.join(self.home, "moonlatch.lua"), os.path.join(self.home, "wrong-clock")
        self.given = 0
        self.linked = world.linked
        self.configure()

    def configure(self):
        """Write the configuration anew, for a provider that reads the entry or does not."""
        with open(os.path.join(self.world.emulator, "moonlatch.lua")) as file:
            text = file.read()
        profile = "cloud" if self.world.edition == "cloud" else "emulator" if self.linked else "server_unlinked"
        text = text.replace(f'default = "{self.world.default}"', f'default = "{profile}"')
        text = text.replace('clock = "clock"', f'clock = "{self.wrong if self.skew else self.world.clock}"')
        with open(self.config, "w") as file:
            file.write(text)
        os.chmod(self.config, 0o600)

    def set_clock(self):
        """The clock of this machine: the world's, or a wrong one of its own."""
        if not self.skew:
            return
        with open(self.world.clock, "rb") as file:
            (offset,) = struct.unpack("<q", file.read(8))
        with open(os.open(self.wrong, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(struct.pack("<q", offset + int(self.skew * 1e6)))

    def run(self, *words, kill=None, at=None):
        """Run it to its end, or kill it after `kill` seconds."""
        self.set_clock()
        environment = {"HOME": self.home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "adele"}
        child = subprocess.Popen(
            [PROGRAM, *words, "--config", at or self.config], env=environment, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = child.communicate(timeout=kill or 120)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            out, err = child.communicate()
        return Run(words, child.returncode, out, err)

    def setup(self, command, *words, **more):
        """A command on the setup script, with what an adopted application needs."""
        return self.run(command, SETUP, *words, *self.world.client_words(), **more)

    def doctor(self):
        """The doctor's report."""
        return self.run("doctor", "--json", *self.world.client_words())

    def file(self):
        """The path of a new file for a client secret."""
        self.given += 1
        return os.path.join(self.home, f"given-{self.given}")


def signing_key():
    """The words that have the emulator sign with the key that a test run shares: a new one takes longer than its start."""
    path = os.environ.get("EMULATOR_SIGNING_KEY")
    return ["--signing-key", path] if path else []


class World:
    """The emulator, its control pages, and what is truly there."""

    def __init__(self, folder, edition, linked=False, by_hand=False):
        self.folder, self.edition, self.linked = folder, edition, linked
        self.default = "cloud" if edition == "cloud" else "emulator"
        self.emulator = os.path.join(folder, "emulator")
        self.child = subprocess.Popen(
            [PROGRAM, "emulator", "--private", "--directory", self.emulator, "--lag", "0", "--users", "0",
             "--interval", "0", "--devolutions", edition, *signing_key()], env={"HOME": folder, "PATH": "/usr/bin:/bin"}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.ready = json.loads(self.child.stdout.readline())
        self.clock = self.ready["clock"]
        self.tls = ssl.create_default_context(cafile=self.ready["ca"])
        self.client = self.by_hand_key = None
        self.values = {}  # key id -> value, of what a person got to see
        self.prepare()
        if by_hand:
            self.make_by_hand()

    def close(self):
        """End the emulator."""
        self.child.stdin.close()
        self.child.wait(20)

    def ask(self, method, path, body=None):
        """Ask the control page."""
        request = urllib.request.Request(
            self.ready["control"] + path.replace(" ", "%20"), method=method,
            data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return json.loads(error.read() or b"{}")

    def graph(self, path, method="GET", body=None):
        """Graph, as somebody who may do everything."""
        answer = self.ask(method, "/graph/v1.0" + path, body)
        return answer.get("value", answer) if isinstance(answer, dict) else answer

    def person(self, what, *with_):
        """An act in Devolutions; what it gives. What is refused there raises ValueError."""
        answer = self.ask("POST", "/" + self.edition, {"do": what, "with": list(with_)})
        if "message" in answer:
            raise ValueError(answer["message"])
        return answer["result"]

    def later(self, seconds):
        """Let time pass."""
        self.ask("POST", "/clock", {"advance": seconds})

    def prepare(self):
        """All that comes before the provider."""
        if self.edition == "cloud":
            self.person("set_licence")
            identity = self.person("add_identity", IDENTITY)
            self.person("permit", IDENTITY, "Manage privileged access tasks")
            self.person("permit", IDENTITY, "Manage privileged access providers")
            self.person("install_services", {"host": CLOUD, "key": identity["key"], "secret": identity["secret"]})
            self.person("add_service", {"name": "PAM", "identity": IDENTITY})
        self.person("add_vault", {"name": VAULT})
        if self.edition == "cloud":
            self.person("give_role", VAULT, IDENTITY, "Contributor")
        self.tenant = self.graph("/organization")[0]["id"]

    def make_by_hand(self):
        """An application and a client secret that a person made and pasted, before the program was known."""
        app = self.graph("/applications", "POST", {"displayName": PROVIDER, "signInAudience": "AzureADMyOrg"})
        self.graph("/servicePrincipals", "POST", {"appId": app["appId"]})
        self.client = app["appId"]
        self.by_hand_key = self.add_secret("PAM", 200)
        self.paste(self.values[self.by_hand_key])

    def client_words(self):
        """What names an adopted application."""
        return ("--client-id", self.client) if self.client else ()

    # What is truly there

    def application(self):
        """The application, if there is one."""
        for app in self.graph("/applications?$top=999"):
            if app["appId"] == self.client or not self.client and app.get("uniqueName") == UNIQUE:
                return app
        return None

    def accepted(self):
        """Key ids that Entra lists, with their ends."""
        app = self.application()
        return {one["keyId"]: one["endDateTime"] for one in app["passwordCredentials"]} if app else {}

    def held(self):
        """What the provider holds: {key, state}; state "absent" without a provider."""
        for one in self.ask("GET", "/" + self.edition)["providers"]:
            if one["name"] == PROVIDER:
                return {"key": one["secret"].get("key"), "state": one["secret"]["state"], "linked": one.get("linked"),
                        "client": one["client_id"]}
        return {"key": None, "state": "absent", "linked": None, "client": None}

    def key_of(self, value):
        """The key id of a value, by pasting it into a provider that nobody uses."""
        return next((key for key, known in self.values.items() if known == value), None)

    def drop_consents(self):
        """What the setup asked for at the sign-in client, and the doctor tells of."""
        client = self.graph(f"/servicePrincipals(appId='{GRAPH_CLI}')")
        for grant in self.graph(f"/oauth2PermissionGrants?$filter=clientId%20eq%20'{client['id']}'"):
            self.graph("/oauth2PermissionGrants/" + grant["id"], "DELETE")

    # Acts of people elsewhere

    def add_secret(self, name, days):
        """A client secret made in the portal; its key id."""
        app = self.application()
        made = self.graph(f"/applications/{app['id']}/addPassword", "POST", {"passwordCredential": {
            "displayName": name, "endDateTime": self.after(days)}})
        self.values[made["keyId"]] = made["secretText"]
        return made["keyId"]

    def after(self, days):
        """A moment some days from now, as Graph writes it."""
        import datetime
        now = datetime.datetime.fromisoformat(self.ask("GET", "/clock")["now"].replace("Z", "+00:00"))
        return (now + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def remove_secret(self, key):
        """Somebody removes a client secret in the portal."""
        app = self.application()
        if app:
            self.graph(f"/applications/{app['id']}/removePassword", "POST", {"keyId": key})

    def paste(self, value, into=PROVIDER):
        """Paste a client secret into a provider's form, which is added if need be."""
        app = self.application()
        names = [one["name"] for one in self.ask("GET", "/" + self.edition)["providers"]]
        fields = {"name": into, "tenant": self.tenant, "client_secret": value}
        if app:
            fields["client_id"] = app["appId"]
        elif into not in names:
            return
        self.person(*(("edit_provider", into, fields) if into in names else ("add_provider", fields)))

    def link(self):
        """The provider of a Server reads the entry."""
        names = [one["name"] for one in self.ask("GET", "/" + self.edition)["providers"]]
        app = self.application()
        fields = {"name": PROVIDER, "tenant": self.tenant, "linked": PROVIDER}
        if app:
            fields["client_id"] = app["appId"]
        elif PROVIDER not in names:
            return
        self.person(*(("edit_provider", PROVIDER, fields) if PROVIDER in names else ("add_provider", fields)))
