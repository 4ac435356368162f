"""Microsoft Graph before the directory, and the token endpoint: what is asked, and what is answered."""

import base64
import json
import re
import secrets
from urllib.parse import parse_qsl, quote

from clock import http_date, iso
from directory import OVER_ADMINS, PERMISSIONS, ROLES, Refused, guid
from query import Filter, Unsupported, select
from wire import Answer

PAGE = 100


def body_of(thing):
    return json.dumps(thing, separators=(",", ":")).encode()


def is_strong(value):
    kinds = [r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]"]
    return 8 <= len(value) <= 256 and value.isascii() and sum(bool(re.search(kind, value)) for kind in kinds) >= 3


class Token:
    """Who asks."""

    def __init__(self, app_id, oid, roles, wids):
        self.app_id, self.oid, self.roles, self.wids = app_id, oid, set(roles), set(wids)


class Login:
    """The identity platform, as far as applications sign in with a secret."""

    def __init__(self, directory, clock):
        self.directory, self.clock, self.tokens, self.base = directory, clock, {}, ""

    def answer(self, status, thing):
        return Answer(status, body_of(thing), {
            "Content-Type": "application/json; charset=utf-8", "Date": http_date(self.clock.now()),
            "Cache-Control": "no-store, no-cache",
        })

    def refuse(self, status, error, code, text):
        stamp = iso(self.clock.now()).replace("T", " ")
        return self.answer(status, {
            "error": error, "error_description": f"AADSTS{code}: {text} Trace ID: {guid()} Correlation ID: {guid()} "
            f"Timestamp: {stamp}", "error_codes": [code], "timestamp": stamp, "trace_id": guid(),
            "correlation_id": guid(), "error_uri": f"https://login.microsoftonline.com/error?code={code}",
        })

    def __call__(self, request):
        match = re.match(r"^/([^/]+)/(.*)$", request.path)
        tenant, rest = match.groups() if match else ("", "")
        if tenant.lower() not in (self.directory.tenant, self.directory.domain):
            return self.refuse(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if rest == "v2.0/.well-known/openid-configuration":
            return self.answer(200, self.discovery())
        if rest == "oauth2/v2.0/token" and request.method == "POST":
            return self.token(dict(parse_qsl(request.body.decode())), request)
        return Answer(404)

    def discovery(self):
        at = f"{self.base}/{self.directory.tenant}"
        return {
            "token_endpoint": f"{at}/oauth2/v2.0/token", "issuer": f"{at}/v2.0",
            "authorization_endpoint": f"{at}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{at}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{at}/discovery/v2.0/keys", "tenant_region_scope": "NA",
        }

    def token(self, form, request):
        if form.get("grant_type") != "client_credentials":
            return self.refuse(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        app_id, value = form.get("client_id", ""), form.get("client_secret", "")
        if not form.get("scope", "").endswith("/.default"):
            return self.refuse(400, "invalid_scope", 1002012, "The provided value for scope is not valid.")
        application = self.directory.application_of(app_id)
        if not application:
            return self.refuse(400, "unauthorized_client", 700016,
                               f"Application with identifier '{app_id}' was not found in the directory.")
        why = (self.wrong_assertion(application, form["client_assertion"]) if "client_assertion" in form
               else self.wrong_secret(application, value))
        if why:
            return self.refuse(401, "invalid_client", *why)
        principal = self.directory.principal_of(app_id)
        if not principal:
            return self.refuse(400, "invalid_client", 7000229, f"The client application {app_id} is missing service "
                               f"principal in the tenant {self.directory.tenant}.")
        return self.answer(200, self.issue(application, principal))

    def wrong_secret(self, application, value):
        now = iso(self.clock.now())
        for one in application["passwordCredentials"]:
            if self.directory.values[one["keyId"]] == value:
                return None if one["endDateTime"] > now else (
                    7000222, f"The provided client secret keys for app '{application['appId']}' are expired.")
        return 7000215, "Invalid client secret provided."

    def wrong_assertion(self, application, assertion):
        """It need not be signed well here: which certificate it names is enough."""
        header = assertion.split(".")[0]
        thumbprint = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))).get("x5t#S256")
        if not self.directory.key_of(application, thumbprint):
            return 700027, "The certificate with identifier used to sign the client assertion is not registered."
        return None

    def issue(self, application, principal):
        now, oid = int(self.clock.now()), principal["id"]
        roles, wids = self.directory.permissions_of(oid), sorted(self.directory.roles_of(oid))
        claims = {
            "aud": "https://graph.microsoft.com", "iss": f"https://sts.windows.net/{self.directory.tenant}/",
            "iat": now, "nbf": now, "exp": now + 3899, "app_displayname": application["displayName"],
            "appid": application["appId"], "idtyp": "app", "oid": oid, "sub": oid, "tid": self.directory.tenant,
            "roles": roles, "wids": wids, "ver": "1.0", "uti": secrets.token_urlsafe(12),
        }
        parts = [json.dumps({"typ": "JWT", "alg": "RS256"}).encode(), json.dumps(claims).encode(),
                 secrets.token_bytes(256)]
        text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        self.tokens[text] = Token(application["appId"], oid, roles, wids)
        return {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": text}


class Graph:
    """The v1.0 calls that set-up and rotation make."""

    def __init__(self, directory, login, clock):
        self.directory, self.login, self.clock, self.base = directory, login, clock, ""
        self.strange = []  # requests that this far side does not understand
        self.cursors = {}

    # Answers

    def headers(self, request):
        asked = guid()
        return {
            "Date": http_date(self.clock.now()), "request-id": asked, "Cache-Control": "no-cache",
            "client-request-id": request.headers.get("client-request-id", asked), "Vary": "Accept-Encoding",
            "Strict-Transport-Security": "max-age=31536000", "x-ms-resource-unit": "1",
        }

    def answer(self, request, status, thing=None):
        headers = self.headers(request)
        if thing is None:
            return Answer(status, b"", headers)
        headers["Content-Type"] = ("application/json;odata.metadata=minimal;odata.streaming=true;"
                                   "IEEE754Compatible=false;charset=utf-8")
        headers["OData-Version"] = "4.0"
        return Answer(status, body_of(thing), headers)

    def refuse(self, request, status, code, message):
        headers = self.headers(request)
        headers["Content-Type"] = "application/json"
        return Answer(status, body_of({"error": {"code": code, "message": message, "innerError": {
            "date": iso(self.clock.now())[:-1], "request-id": headers["request-id"],
            "client-request-id": headers["client-request-id"]}}}), headers)

    def missing(self, request, key):
        return self.refuse(request, 404, "Request_ResourceNotFound",
                           f"Resource '{key}' does not exist or one of its queried reference-property objects are "
                           "not present.")

    def denied(self, request):
        return self.refuse(request, 403, "Authorization_RequestDenied",
                           "Insufficient privileges to complete the operation.")

    def page(self, request, items):
        """One page of a list, with the address of the next."""
        start, items = 0, list(items)
        if "$skiptoken" in request.query:
            start, items = self.cursors.pop(request.query["$skiptoken"])
        elif "$filter" in request.query:
            items = list(filter(Filter(request.query["$filter"]).test, items))
        size = int(request.query.get("$top", PAGE))
        shown = [select(item, request.query.get("$select")) for item in items[start:start + size]]
        thing = {"@odata.context": f"{self.base}/v1.0/$metadata#directoryObjects", "value": shown}
        if start + size < len(items):
            cursor = secrets.token_urlsafe(12)
            self.cursors[cursor] = (start + size, items)
            kept = "&".join(f"{quote(name)}={quote(value)}" for name, value in request.query.items()
                            if name in ("$select", "$top", "$count"))
            thing["@odata.nextLink"] = f"{self.base}{quote(request.path)}?{kept}&$skiptoken={cursor}"
        return self.answer(request, 200, thing)

    def one(self, request, thing, status=200):
        if thing is None:
            return self.missing(request, request.path.rsplit("/", 1)[1])
        shown = select(thing, request.query.get("$select"))
        return self.answer(request, status, {"@odata.context": f"{self.base}/v1.0/$metadata#x/$entity", **shown})

    # Dispatch

    def __call__(self, request):
        token = self.login.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if not token:
            return self.refuse(request, 401, "InvalidAuthenticationToken", "Access token is empty.")
        request.token = token
        if not request.path.startswith("/v1.0/"):
            return Answer(404)
        path = request.path.removeprefix("/v1.0")
        if path == "/$batch":
            return self.batch(request)
        try:
            for method, pattern, name in ROUTES:
                match = re.fullmatch(pattern, path)
                if match and method == request.method:
                    return getattr(self, name)(request, *match.groups())
        except Refused as refused:
            return self.refuse(request, refused.status, refused.code, refused.message)
        except Unsupported as query:
            self.strange.append(f"{request}: {query}")
            return self.refuse(request, 400, "Request_UnsupportedQuery", "Unsupported Query.")
        self.strange.append(f"{request} {request.query}")
        return self.refuse(request, 400, "Request_BadRequest", "Resource not found for the segment.")

    def batch(self, request):
        answers = []
        for part in json.loads(request.body)["requests"]:
            inner = type(request)(part["method"], "/v1.0" + part["url"], {
                **{name.lower(): value for name, value in (part.get("headers") or {}).items()},
                "authorization": request.headers["authorization"],
            }, json.dumps(part["body"]).encode() if "body" in part else b"")
            answer = self(inner)
            one = {"id": part["id"], "status": answer.status, "headers": answer.headers}
            if answer.body:
                one["body"] = json.loads(answer.body)
            answers.append(one)
        return self.answer(request, 200, {"responses": answers})

    # People

    def seen(self, user):
        return user.seen_at(self.clock.now() - self.directory.stale)

    def get_users(self, request):
        return self.page(request, [self.seen(user) for user in self.directory.users.values()])

    def get_user(self, request, key):
        user = self.directory.user_of(key)
        if not user:
            return self.missing(request, key)
        profile = {"password": None, "forceChangePasswordNextSignIn": user.force_change,
                   "forceChangePasswordNextSignInWithMfa": False}
        return self.one(request, {**self.seen(user), "passwordProfile": profile})

    def patch_user(self, request, key):
        user, body = self.directory.user_of(key), json.loads(request.body)
        if not user:
            return self.missing(request, key)
        profile = body.get("passwordProfile") or {}
        if set(body) != {"passwordProfile"} or "password" not in profile:
            return self.refuse(request, 400, "Request_BadRequest", "Only passwords are set here.")
        if not self.may_reset(request.token, user.now["id"]):
            return self.denied(request)
        if user.now["onPremisesSyncEnabled"]:
            return self.refuse(request, 400, "Request_BadRequest",
                               "Unable to update the specified properties for on-premises mastered Directory Sync "
                               "objects or objects currently undergoing migration.")
        if not is_strong(profile["password"]):
            return self.refuse(request, 400, "Request_BadRequest",
                               "The specified password does not comply with password complexity requirements. Please "
                               "provide a different password.")
        self.directory.set_password(user.now["id"], profile["password"], request.token.app_id,
                                    bool(profile.get("forceChangePasswordNextSignIn")))
        return self.answer(request, 204)

    def may_reset(self, token, key):
        if self.directory.is_protected(key):
            return bool(token.wids & OVER_ADMINS)
        return "User-PasswordProfile.ReadWrite.All" in token.roles or bool(token.wids & OVER_ADMINS)

    def revoke(self, request, key):
        if not self.directory.user_of(key):
            return self.missing(request, key)
        return self.answer(request, 200, {"@odata.context": "x", "value": True})

    # Groups, roles, the tenant

    def get_groups(self, request):
        hidden = ("members", "owners")
        return self.page(request, [{name: value for name, value in group.items() if name not in hidden}
                                   for group in self.directory.groups.values()])

    def get_group(self, request, key):
        group = self.directory.groups.get(key)
        return self.one(request, group and {name: group[name] for name in ("id", "displayName", "isAssignableToRole")})

    def get_members(self, request, key):
        group = self.directory.groups.get(key)
        if not group:
            return self.missing(request, key)
        advanced = request.headers.get("consistencylevel") == "eventual" and request.query.get("$count") == "true"
        if request.path.endswith("microsoft.graph.user") and not advanced and "$skiptoken" not in request.query:
            raise Unsupported("a cast without ConsistencyLevel: eventual and $count")
        users = [self.directory.users[one] for one in group["members"] if one in self.directory.users]
        return self.page(request, [{"@odata.type": "#microsoft.graph.user", **self.seen(user)} for user in users])

    def get_owners(self, request, key):
        return self.page(request, [])

    def get_assignments(self, request):
        return self.page(request, self.directory.assignments.values())

    def post_assignment(self, request):
        if "RoleManagement.ReadWrite.Directory" not in request.token.roles:
            return self.denied(request)
        body = json.loads(request.body)
        return self.one(request, self.directory.assign_role(body["principalId"], body["roleDefinitionId"]), 201)

    def get_definitions(self, request):
        return self.page(request, [{"id": key, "displayName": name, "templateId": key, "isBuiltIn": True,
                                    "isEnabled": True} for name, key in ROLES.items()])

    def none(self, request, *_):
        return self.page(request, [])

    def get_organization(self, request):
        return self.page(request, [{
            "id": self.directory.tenant, "displayName": "Far side", "onPremisesSyncEnabled": None,
            "verifiedDomains": [{"name": self.directory.domain, "type": "Managed", "isDefault": True,
                                 "isInitial": True, "capabilities": "Email"}],
        }])

    def get_domains(self, request):
        return self.page(request, [{"id": self.directory.domain, "authenticationType": "Managed",
                                    "passwordValidityPeriodInDays": 2147483647, "isVerified": True}])

    def get_skus(self, request):
        return self.page(request, [{"id": guid(), "skuPartNumber": "AAD_BASIC", "servicePlans": []}])

    def get_policy(self, request):
        return self.one(request, {"id": "00000000-0000-0000-0000-000000000000", "isEnabled": False,
                                  "displayName": "Default app management tenant policy",
                                  "applicationRestrictions": {"passwordCredentials": [], "keyCredentials": []},
                                  "servicePrincipalRestrictions": {"passwordCredentials": [], "keyCredentials": []}})

    def get_audits(self, request):
        if "AuditLog.Read.All" not in request.token.roles:
            return self.denied(request)
        return self.page(request, self.directory.audits)

    def get_by_ids(self, request):
        wanted = json.loads(request.body)["ids"]
        found = [{"@odata.type": "#microsoft.graph.user", **self.seen(self.directory.users[one])} for one in wanted
                 if one in self.directory.users]
        found += [{"@odata.type": "#microsoft.graph.servicePrincipal", **self.directory.principals[one]}
                  for one in wanted if one in self.directory.principals]
        return self.answer(request, 200, {"value": found})

    # Applications

    def may_write_applications(self, request):
        return request.token.roles & {"Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"}

    def get_applications(self, request):
        return self.page(request, self.directory.applications.values())

    def get_application(self, request, key):
        there = self.directory.applications.get(key)
        return self.one(request, there and {**there, "keyCredentials": self.directory.shown_keys(there)})

    def get_application_by(self, request, name, value):
        return self.one(request, self.by_key(self.directory.applications, name, value))

    def by_key(self, things, name, value):
        wanted = {"appid": "appId", "uniquename": "uniqueName"}[name.lower()]
        for thing in things.values():
            if (thing.get(wanted) or "").lower() == value.lower():
                return thing
        return None

    def upsert_application(self, request, name, value):
        if not self.may_write_applications(request):
            return self.denied(request)
        there, body = self.by_key(self.directory.applications, name, value), json.loads(request.body)
        if there:
            there.update(body)
            return self.answer(request, 204)
        if "create-if-missing" not in request.headers.get("prefer", "") or name.lower() != "uniquename":
            return self.missing(request, value)
        body.pop("uniqueName", None)
        made = self.directory.add_application(body.pop("displayName"), value, **body)
        return self.one(request, made, 201)

    def patch_application(self, request, key):
        application = self.directory.applications.get(key)
        if not application:
            return self.missing(request, key)
        if not self.may_write_applications(request):
            return self.denied(request)
        body = json.loads(request.body)
        if "keyCredentials" in body:
            self.directory.write_keys(application, body.pop("keyCredentials"), request.token.app_id)
        application.update(body)
        return self.answer(request, 204)

    def add_password(self, request, key):
        application = self.directory.applications.get(key)
        if not application:
            return self.missing(request, key)
        if not self.may_write_applications(request):
            return self.denied(request)
        asked = json.loads(request.body).get("passwordCredential") or {}
        made, value = self.directory.add_secret(application, asked.get("displayName"), asked.get("endDateTime"))
        return self.answer(request, 200, {"@odata.context": "x", **made, "secretText": value})

    def remove_password(self, request, key):
        application, wanted = self.directory.applications.get(key), json.loads(request.body)["keyId"]
        left = [one for one in application["passwordCredentials"] if one["keyId"] != wanted]
        if len(left) == len(application["passwordCredentials"]):
            return self.refuse(request, 400, "Request_BadRequest",
                               f"No password credential found with keyId '{wanted}'.")
        application["passwordCredentials"] = left
        return self.answer(request, 204)

    def get_principals(self, request):
        return self.page(request, self.directory.principals.values())

    def get_principal(self, request, key):
        return self.one(request, self.directory.principals.get(key))

    def get_principal_by(self, request, name, value):
        return self.one(request, self.by_key(self.directory.principals, name, value))

    def upsert_principal(self, request, name, value):
        if not self.may_write_applications(request):
            return self.denied(request)
        there, body = self.by_key(self.directory.principals, name, value), json.loads(request.body or b"{}")
        if there:
            there.update(body)
            return self.answer(request, 204)
        application = self.directory.application_of(value)
        if not application:
            return self.refuse(request, 400, "Request_BadRequest", f"The appId '{value}' of the service principal does "
                               "not reference a valid application object.")
        made = self.directory.add_principal(value, application["displayName"])
        made.update({name: value for name, value in body.items() if name != "appId"})
        return self.one(request, made, 201)

    def get_grants(self, request, key):
        return self.page(request, [one for one in self.directory.grants.values() if one["principalId"] == key])

    def post_grant(self, request, _):
        if "AppRoleAssignment.ReadWrite.All" not in request.token.roles:
            return self.denied(request)
        body = json.loads(request.body)
        if body["principalId"] not in self.directory.principals or body["appRoleId"] not in PERMISSIONS.values():
            return self.missing(request, body["principalId"])
        return self.one(request, self.directory.grant(body["principalId"], body["appRoleId"]), 201)


KEY = r"([^/()]+)"
BY = r"\((\w+)='([^']*)'\)"
ROUTES = [
    ("GET", "/users", "get_users"),
    ("GET", f"/users/{KEY}", "get_user"),
    ("PATCH", f"/users/{KEY}", "patch_user"),
    ("POST", f"/users/{KEY}/revokeSignInSessions", "revoke"),
    ("GET", "/groups", "get_groups"),
    ("GET", f"/groups/{KEY}", "get_group"),
    ("GET", f"/groups/{KEY}/(?:transitiveMembers|members)(?:/microsoft.graph.user)?", "get_members"),
    ("GET", f"/groups/{KEY}/owners(?:/microsoft.graph.user)?", "get_owners"),
    ("GET", "/roleManagement/directory/roleAssignments", "get_assignments"),
    ("POST", "/roleManagement/directory/roleAssignments", "post_assignment"),
    ("GET", "/roleManagement/directory/roleDefinitions", "get_definitions"),
    ("GET", "/roleManagement/directory/roleEligibilityScheduleInstances", "none"),
    ("GET", "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances", "none"),
    ("GET", "/roleManagement/directory/roleAssignmentScheduleInstances", "none"),
    ("GET", "/roleManagement/directory/roleAssignmentScheduleRequests", "none"),
    ("GET", "/policies/roleManagementPolicyAssignments", "none"),
    ("GET", "/directory/administrativeUnits", "none"),
    ("GET", "/directory/deletedItems/microsoft.graph.application", "none"),
    ("GET", "/directory/deletedItems/microsoft.graph.user", "none"),
    ("GET", "/directory/deletedItems/microsoft.graph.servicePrincipal", "none"),
    ("GET", "/identity/conditionalAccess/policies", "none"),
    ("GET", "/organization", "get_organization"),
    ("GET", "/domains", "get_domains"),
    ("GET", "/subscribedSkus", "get_skus"),
    ("GET", "/policies/defaultAppManagementPolicy", "get_policy"),
    ("GET", "/auditLogs/directoryAudits", "get_audits"),
    ("POST", "/directoryObjects/getByIds", "get_by_ids"),
    ("GET", "/applications", "get_applications"),
    ("GET", f"/applications{BY}", "get_application_by"),
    ("PATCH", f"/applications{BY}", "upsert_application"),
    ("GET", f"/applications/{KEY}", "get_application"),
    ("PATCH", f"/applications/{KEY}", "patch_application"),
    ("GET", f"/applications/{KEY}/appManagementPolicies", "none"),
    ("POST", f"/applications/{KEY}/addPassword", "add_password"),
    ("POST", f"/applications/{KEY}/removePassword", "remove_password"),
    ("GET", f"/applications/{KEY}/owners", "none"),
    ("GET", "/servicePrincipals", "get_principals"),
    ("GET", f"/servicePrincipals{BY}", "get_principal_by"),
    ("PATCH", f"/servicePrincipals{BY}", "upsert_principal"),
    ("GET", f"/servicePrincipals/{KEY}", "get_principal"),
    ("GET", f"/servicePrincipals/{KEY}/appRoleAssignments", "get_grants"),
    ("POST", f"/servicePrincipals/{KEY}/appRoleAssignedTo", "post_grant"),
]
