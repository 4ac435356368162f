"""An Entra ID tenant: people, groups, roles, applications. Knows the truth; Graph's answers are in graph.py."""

import base64
import hashlib
import secrets
import uuid

from clock import iso
from truth import Passwords

GRAPH_APP = "00000003-0000-0000-c000-000000000000"

# Ids of Microsoft Graph's application permissions and of built-in directory roles.
PERMISSIONS = {
    "Application.ReadWrite.OwnedBy": "18a4783c-866b-4cc7-a460-3d5e5662c884",
    "Application.ReadWrite.All": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    "AppRoleAssignment.ReadWrite.All": "06b708a9-e830-4db3-a914-8e69da51d44f",
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "User-PasswordProfile.ReadWrite.All": "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7",
    "User.RevokeSessions.All": "77f3a031-c388-4f99-b373-dc68676a979e",
    "Group.Read.All": "5b567255-7703-4780-807c-7be8301ae99b",
    "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    "Directory.Read.All": "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "RoleManagement.Read.Directory": "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
    "RoleManagement.ReadWrite.Directory": "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8",
    "AuditLog.Read.All": "b0afded3-3588-46d8-8b3d-9842eff778da",
    "Policy.Read.All": "246dd0d5-5bd0-4def-940b-0421030a5b68",
    "Organization.Read.All": "498476ce-e0fe-48b0-b801-37ba7e2685c6",
}
ROLES = {
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
    "Privileged Role Administrator": "e8611ab8-c189-46e8-94e1-60213ab1f814",
    "Privileged Authentication Administrator": "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
    "Authentication Administrator": "c4e39bd9-1100-46d3-8c65-fb160da0071f",
    "User Administrator": "fe930be7-5e62-47db-91af-98c3a49a38b1",
    "Helpdesk Administrator": "729827e3-9c14-49f7-bb1b-9608f156bbb8",
    "Password Administrator": "966707d0-3269-4727-9be2-8c3a10f19b9d",
    "Application Administrator": "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
    "Cloud Application Administrator": "158c047a-c907-4556-b7ef-446551a6b5f7",
    "Directory Readers": "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
    "Groups Administrator": "fdd7a751-b60b-444a-984c-02652fe8fa1c",
}
OVER_ADMINS = {ROLES["Global Administrator"], ROLES["Privileged Authentication Administrator"]}
ROTATOR = [
    "User.Read.All", "User-PasswordProfile.ReadWrite.All", "User.RevokeSessions.All", "GroupMember.Read.All",
    "Group.Read.All", "RoleManagement.Read.Directory", "Organization.Read.All", "Directory.Read.All",
]
DAY = 86400


def guid():
    return str(uuid.uuid4())


class Refused(Exception):
    """What Entra does not do: status, code, message."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class User:
    """One account. What reads may see late is kept with its moments."""

    def __init__(self, attributes, passwords, now):
        self.passwords = passwords
        self.versions = [(now, attributes)]
        self.force_change = False

    @property
    def now(self):
        return self.versions[-1][1]

    def change(self, moment, **attributes):
        self.versions.append((moment, {**self.now, **attributes}))

    def seen_at(self, moment):
        """The attributes as a read sees them that shows what was so at this moment."""
        seen = self.versions[0][1]
        for when, attributes in self.versions:
            if when <= moment:
                seen = attributes
        return seen


class Directory:
    """The tenant."""

    def __init__(self, clock, domain="far.example"):
        self.clock, self.domain, self.tenant = clock, domain, guid()
        self.skew = 0.0  # seconds the directory's clock is ahead of its front's
        self.stale = 0.0  # seconds that reads of users lag
        self.stale_keys = 0.0  # seconds that reads of an application's certificates lag
        self.key_lists = {}  # of an application: moments, and the lists that were written then
        self.users, self.groups, self.applications, self.principals = {}, {}, {}, {}
        self.assignments, self.grants, self.audits = {}, {}, []
        self.values = {}  # of client secrets, by key id
        self.graph_principal = self.add_principal(GRAPH_APP, "Microsoft Graph")

    def moment(self):
        """Now, as the directory's own clock writes it: whole seconds."""
        return int(self.clock.now() + self.skew)

    # People

    def add_user(self, name, age=400 * DAY, **more):
        """A user whose password is as old as `age` says; its object id."""
        key, now = guid(), self.clock.now()
        moment = int(now - age)
        attributes = {
            "id": key, "userPrincipalName": f"{name}@{self.domain}", "displayName": name, "givenName": None,
            "surname": None, "mailNickname": name, "accountEnabled": True, "userType": "Member",
            "onPremisesSyncEnabled": None, "isManagementRestricted": None, "createdDateTime": iso(moment),
            "lastPasswordChangeDateTime": iso(moment), **more,
        }
        self.users[key] = User(attributes, Passwords("first " + secrets.token_hex(8), moment, "nobody"), now - age)
        return key

    def user_of(self, key):
        """By object id or user principal name; None when there is none."""
        if key in self.users:
            return self.users[key]
        for user in self.users.values():
            if user.now["userPrincipalName"].lower() == key.lower():
                return user
        return None

    def set_password(self, key, value, who, force=False):
        """Set it; the moment is the directory's."""
        user, moment = self.users[key], self.moment()
        user.passwords.set(value, moment, who, self.clock.now())
        user.force_change = force
        user.change(self.clock.now(), lastPasswordChangeDateTime=iso(moment))
        self.audits.append({
            "id": guid(), "activityDateTime": iso(self.clock.now()), "activityDisplayName": "Reset password",
            "category": "UserManagement", "result": "success", "initiatedBy": self.initiator(who),
            "targetResources": [{"id": key, "type": "User", "userPrincipalName": user.now["userPrincipalName"]}],
        })

    def initiator(self, who):
        for application in self.applications.values():
            if application["appId"] == who:
                principal = self.principal_of(who)
                return {"app": {"appId": who, "displayName": application["displayName"],
                                "servicePrincipalId": principal and principal["id"]}, "user": None}
        return {"app": None, "user": {"id": guid(), "userPrincipalName": f"{who}@{self.domain}"}}

    def change_user(self, key, **attributes):
        """What an administrator does: userPrincipalName, accountEnabled, onPremisesSyncEnabled, …"""
        self.users[key].change(self.clock.now(), **attributes)

    def delete_user(self, key):
        for group in self.groups.values():
            group["members"] = [one for one in group["members"] if one != key]
        return self.users.pop(key)

    # Groups and roles

    def add_group(self, name, members, assignable=False):
        key = guid()
        self.groups[key] = {
            "id": key, "displayName": name, "isAssignableToRole": assignable or None, "securityEnabled": True,
            "groupTypes": [], "members": list(members), "owners": [],
        }
        return key

    def leave_group(self, name, key):
        for group in self.groups.values():
            if group["displayName"] == name:
                group["members"] = [one for one in group["members"] if one != key]

    def assign_role(self, principal, role):
        for one in self.assignments.values():
            if (one["principalId"], one["roleDefinitionId"]) == (principal, role):
                raise Refused(400, "Request_BadRequest",
                              "A conflicting object with one or more of the specified property values is present in "
                              "the directory.")
        key = secrets.token_urlsafe(32) + "-1"
        self.assignments[key] = {
            "id": key, "principalId": principal, "roleDefinitionId": role, "directoryScopeId": "/",
        }
        return self.assignments[key]

    def roles_of(self, principal):
        """Role ids it holds, through groups too."""
        held = {one["roleDefinitionId"] for one in self.assignments.values() if one["principalId"] == principal}
        for group in self.groups.values():
            if principal in group["members"]:
                held |= {one["roleDefinitionId"] for one in self.assignments.values()
                         if one["principalId"] == group["id"]}
        return held

    def is_protected(self, key):
        """Does it hold a role, or is it in a group that can be given one?"""
        in_group = any(group["isAssignableToRole"] and key in group["members"] for group in self.groups.values())
        return in_group or bool(self.roles_of(key))

    # Applications

    def add_application(self, name, unique_name=None, **more):
        key, app_id = guid(), guid()
        self.applications[key] = {
            "id": key, "appId": app_id, "displayName": name, "uniqueName": unique_name,
            "signInAudience": "AzureADMyOrg", "createdDateTime": iso(self.clock.now()), "notes": None,
            "publisherDomain": self.domain, "identifierUris": [], "tags": [], "passwordCredentials": [],
            "keyCredentials": [], "requiredResourceAccess": [], **more,
        }
        return self.applications[key]

    # Certificates: their list is written as a whole

    def write_keys(self, application, listed, who):
        """The new list; who wrote it is kept for each certificate."""
        there = {one["keyId"]: one for one in application["keyCredentials"]}
        application["keyCredentials"] = [
            {**there.get(one.get("keyId"), {"by": who}), **{name: value for name, value in one.items() if value}}
            for one in listed]
        self.key_lists.setdefault(application["id"], []).append((self.clock.now(), application["keyCredentials"]))

    def shown_keys(self, application):
        """The list as a read sees it."""
        shown, until = [], self.clock.now() - self.stale_keys
        for moment, listed in self.key_lists.get(application["id"], []):
            shown = listed if moment <= until else shown
        return [{name: value for name, value in one.items() if name != "by"} for one in shown]

    def key_of(self, application, thumbprint):
        """The certificate of an assertion, by its x5t#S256; None when it is not one of the application's."""
        for one in application["keyCredentials"]:
            digest = hashlib.sha256(base64.b64decode(one["key"])).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") == thumbprint:
                return one
        return None

    def application_of(self, app_id):
        for application in self.applications.values():
            if application["appId"].lower() == app_id.lower():
                return application
        return None

    def add_principal(self, app_id, name):
        key = guid()
        self.principals[key] = {
            "id": key, "appId": app_id, "displayName": name, "servicePrincipalType": "Application",
            "accountEnabled": True, "appRoleAssignmentRequired": False, "tags": [], "appRoles": [],
            "oauth2PermissionScopes": [],
        }
        if app_id == GRAPH_APP:
            self.principals[key]["appRoles"] = [
                {"id": one, "value": name, "displayName": name, "allowedMemberTypes": ["Application"],
                 "isEnabled": True} for name, one in PERMISSIONS.items()
            ]
        return self.principals[key]

    def principal_of(self, app_id):
        for principal in self.principals.values():
            if principal["appId"].lower() == app_id.lower():
                return principal
        return None

    def grant(self, principal, permission):
        """Give a principal an application permission of Microsoft Graph, by its id."""
        for one in self.grants.values():
            if (one["principalId"], one["appRoleId"]) == (principal, permission):
                raise Refused(400, "Request_BadRequest", "Permission being assigned already exists on the object")
        key = secrets.token_urlsafe(32)
        self.grants[key] = {
            "id": key, "principalId": principal, "resourceId": self.graph_principal["id"], "appRoleId": permission,
            "principalType": "ServicePrincipal", "createdDateTime": iso(self.clock.now()),
            "resourceDisplayName": "Microsoft Graph",
            "principalDisplayName": self.principals[principal]["displayName"],
        }
        return self.grants[key]

    def permissions_of(self, principal):
        names = {value: name for name, value in PERMISSIONS.items()}
        return sorted(names[one["appRoleId"]] for one in self.grants.values()
                      if one["principalId"] == principal and one["appRoleId"] in names)

    def add_secret(self, application, name, end=None):
        """A new client secret; its record, with the value."""
        now = self.clock.now()
        value = secrets.token_urlsafe(3)[:3] + "8Q~" + secrets.token_urlsafe(40)[:34]
        made = {
            "keyId": guid(), "displayName": name, "hint": value[:3], "startDateTime": iso(now),
            "endDateTime": end or iso(now + 730 * DAY), "customKeyIdentifier": None, "secretText": None,
        }
        application["passwordCredentials"].insert(0, made)
        self.values[made["keyId"]] = value
        return made, value

    def add_client(self, name, permissions, roles=()):
        """An application that is signed in with, its rights given: its id and its secret."""
        application = self.add_application(name)
        principal = self.add_principal(application["appId"], name)
        for permission in permissions:
            self.grant(principal["id"], PERMISSIONS[permission])
        for role in roles:
            self.assign_role(principal["id"], ROLES[role])
        return application["appId"], self.add_secret(application, "for tests")[1]
