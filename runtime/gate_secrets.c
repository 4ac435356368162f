/* Where a secret may be in the body of a call. No I/O and no Lua.
 *
 * A secret becomes bytes only at a declared place. A password in a display name, in keyCredentials.key (which is
 * public) or in any other member is refused, in every mode. The places for Graph and Devolutions Server are in this
 * file; for other peers a rule declares them.
 */
#include "gate_internal.h"

#include "secret_name.h"

#include <stdio.h>
#include <string.h>

struct secret_place {
  const char *peer, *method, *path;
  const char *member; /* the path to the secret; after a final dot follows a name of use NAMED_IN_ENTRY */
  enum secret_kind kind;
};

/* Sources: learn.microsoft.com, "Update user", "Create user", "authenticationMethod: resetPassword",
 * "application: addKey" and "removeKey" (proof); go-dvls, entry types. */
static const struct secret_place secret_places[] = {
    {"graph", "PATCH", "/users/{id}", "passwordProfile.password", SECRET_VALUE},
    {"graph", "POST", "/users", "passwordProfile.password", SECRET_VALUE},
    {"graph", "POST", "/users/{id}/authentication/methods/{id}/resetPassword", "newPassword", SECRET_VALUE},
    {"graph", "POST", "/applications/{id}/addKey", "proof", SECRET_PROOF},
    {"graph", "POST", "/applications/{id}/removeKey", "proof", SECRET_PROOF},
    {"devolutions", "POST", "/api/v1/vault/{id}/entry", "data.", SECRET_VALUE},
    {"devolutions", "PUT", "/api/v1/vault/{id}/entry/{id}", "data.", SECRET_VALUE},
};
enum { PLACE_COUNT = sizeof secret_places / sizeof *secret_places };

static int place_matches_call(const struct secret_place *secret_place, const char *peer, const struct call *call) {
  return strcmp(secret_place->peer, peer) == 0 && strcmp(secret_place->method, call->method) == 0 &&
         gate_template_match(secret_place->path, call->path, gate_template_forms(peer, call->method));
}

static int place_matches_path(const struct secret_place *secret_place, const char *path) {
  size_t length = strlen(secret_place->member);
  if (secret_place->member[length - 1] != '.') return strcmp(secret_place->member, path) == 0;
  return strncmp(secret_place->member, path, length) == 0 &&
         secret_name_find(path + length, strlen(path + length), NAMED_IN_ENTRY) != NULL;
}

/* Does a pattern such as "data.*" match the member path? A star matches any one step. */
static int place_pattern_matches(const char *pattern, size_t length, const char *path) {
  const char *end = pattern + length;
  while (pattern < end && *path) {
    size_t step = strcspn(path, ".");
    const char *dot = memchr(pattern, '.', (size_t)(end - pattern));
    size_t wanted = (size_t)((dot ? dot : end) - pattern);
    int is_any = wanted == 1 && *pattern == '*';
    if (!is_any && (wanted != step || memcmp(pattern, path, step) != 0 || memchr(path, '?', step))) return 0;
    pattern += wanted + (dot != NULL);
    path += step;
    if (!*path) return !dot && pattern == end;
    path++;
  }
  return 0;
}

static int is_declared_place(const char *declared, const char *path) {
  for (const char *rest = declared ? declared : ""; *rest;) {
    size_t length = strcspn(rest, ",");
    if (place_pattern_matches(rest, length, path)) return 1;
    rest += length + (rest[length] == ',');
  }
  return 0;
}

/* May a secret of this kind be at this member path of the call? */
static int place_may_hold_secret(const char *peer, const struct call *call, const char *declared, enum secret_kind kind,
                                 const char *path) {
  if (!request_peer_is_own(peer)) return kind == SECRET_VALUE && is_declared_place(declared, path);
  for (size_t i = 0; i < PLACE_COUNT; i++)
    if (secret_places[i].kind == kind && place_matches_call(&secret_places[i], peer, call) &&
        place_matches_path(&secret_places[i], path))
      return 1;
  return 0;
}

/* Return the members of this call that may hold a secret, for a sentence; "no member" when there is none. */
static const char *secret_place_members(const char *peer, const struct call *call, const char *declared) {
  if (!request_peer_is_own(peer)) return declared && *declared ? declared : "no member";
  for (size_t i = 0; i < PLACE_COUNT; i++) {
    if (!place_matches_call(&secret_places[i], peer, call)) continue;
    return secret_places[i].member[strlen(secret_places[i].member) - 1] == '.' ? "the secret members of data"
                                                                               : secret_places[i].member;
  }
  return "no member";
}

const char *gate_secrets_refuse(const char *peer, const struct call *call, const char *declared, char *message,
                                size_t size) {
  for (const char *text = buffer_next_text(&call->secrets, NULL); text; text = buffer_next_text(&call->secrets, text)) {
    enum secret_kind kind = *text == 'v' ? SECRET_VALUE : *text == 'p' ? SECRET_PROOF : SECRET_CREDENTIAL;
    const char *path = text + 1;
    if (place_may_hold_secret(peer, call, declared, kind, path)) continue;
    if (!*path) path = "its whole body";
    if (kind == SECRET_CREDENTIAL)
      snprintf(message, size,
               "%s %s would send a credential in '%s': a credential of a sign-in is never part of a body; leave it "
               "out, the program attaches it where it belongs",
               call->method, call->path, path);
    else
      snprintf(message, size, "%s %s would send a secret in '%s': in the body of this call %s may hold a secret",
               call->method, call->path, path, secret_place_members(peer, call, declared));
    return "secret";
  }
  return NULL;
}
