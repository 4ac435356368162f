/* Where a secret may stand in the body of a call. No I/O and no Lua.
 *
 * Only a declared place turns a secret into bytes that leave: a password that is
 * put into a display name, into keyCredentials.key (which is public), or into
 * any other member is refused, in every mode. For Graph and Devolutions Server
 * the places are in this file; for other peers a rule declares them.
 */
#include "gate_internal.h"

#include "secret_name.h"

#include <stdio.h>
#include <string.h>

struct place {
  const char *peer, *method, *path;
  const char *member; /* the way to the secret; when it ends with a dot, a name of use NAMED_IN_ENTRY follows */
  enum secret_kind kind;
};

/* Sources: learn.microsoft.com, "Update user", "Create user", "authenticationMethod: resetPassword",
 * "application: addKey" and "removeKey" (proof); go-dvls, entry types. */
static const struct place places[] = {
    {"graph", "PATCH", "/users/{id}", "passwordProfile.password", SECRET_VALUE},
    {"graph", "POST", "/users", "passwordProfile.password", SECRET_VALUE},
    {"graph", "POST", "/users/{id}/authentication/methods/{id}/resetPassword", "newPassword", SECRET_VALUE},
    {"graph", "POST", "/applications/{id}/addKey", "proof", SECRET_PROOF},
    {"graph", "POST", "/applications/{id}/removeKey", "proof", SECRET_PROOF},
    {"devolutions", "POST", "/api/v1/vault/{id}/entry", "data.", SECRET_VALUE},
    {"devolutions", "PUT", "/api/v1/vault/{id}/entry/{id}", "data.", SECRET_VALUE},
};
enum { PLACE_COUNT = sizeof places / sizeof *places };

static int has_places(const char *peer) {
  for (size_t i = 0; i < PLACE_COUNT; i++)
    if (strcmp(places[i].peer, peer) == 0) return 1;
  return 0;
}

static int is_of(const struct place *place, const char *peer, const struct call *call) {
  return strcmp(place->peer, peer) == 0 && strcmp(place->method, call->method) == 0 &&
         gate_template_match(place->path, call->path, gate_template_forms(peer, call->method));
}

static int is_at(const struct place *place, const char *way) {
  size_t length = strlen(place->member);
  if (place->member[length - 1] != '.') return strcmp(place->member, way) == 0;
  return strncmp(place->member, way, length) == 0 &&
         secret_name_find(way + length, strlen(way + length), NAMED_IN_ENTRY) != NULL;
}

/* Does "data.*" (a star is any one step) name this way? */
static int fits(const char *pattern, size_t length, const char *way) {
  const char *end = pattern + length;
  while (pattern < end && *way) {
    size_t step = strcspn(way, ".");
    const char *dot = memchr(pattern, '.', (size_t)(end - pattern));
    size_t wanted = (size_t)((dot ? dot : end) - pattern);
    int is_any = wanted == 1 && *pattern == '*';
    if (!is_any && (wanted != step || memcmp(pattern, way, step) != 0 || memchr(way, '?', step))) return 0;
    pattern += wanted + (dot != NULL);
    way += step;
    if (!*way) return !dot && pattern == end;
    way++;
  }
  return 0;
}

static int is_declared(const char *declared, const char *way) {
  for (const char *rest = declared ? declared : ""; *rest;) {
    size_t length = strcspn(rest, ",");
    if (fits(rest, length, way)) return 1;
    rest += length + (rest[length] == ',');
  }
  return 0;
}

/* May a secret of this kind stand there? */
static int is_allowed(const char *peer, const struct call *call, const char *declared, enum secret_kind kind,
                      const char *way) {
  if (!has_places(peer)) return kind == SECRET_VALUE && is_declared(declared, way);
  for (size_t i = 0; i < PLACE_COUNT; i++)
    if (places[i].kind == kind && is_of(&places[i], peer, call) && is_at(&places[i], way)) return 1;
  return 0;
}

/* The members of this call that may hold a secret, for a sentence; "no member" when there is none. */
static const char *members_of(const char *peer, const struct call *call, const char *declared) {
  if (!has_places(peer)) return declared && *declared ? declared : "no member";
  for (size_t i = 0; i < PLACE_COUNT; i++) {
    if (!is_of(&places[i], peer, call)) continue;
    return places[i].member[strlen(places[i].member) - 1] == '.' ? "the secret members of data" : places[i].member;
  }
  return "no member";
}

const char *gate_secrets_refuse(const char *peer, const struct call *call, const char *declared, char *message,
                                size_t size) {
  for (const char *text = buffer_text(&call->secrets, NULL); text; text = buffer_text(&call->secrets, text)) {
    enum secret_kind kind = *text == 'v' ? SECRET_VALUE : *text == 'p' ? SECRET_PROOF : SECRET_CREDENTIAL;
    const char *way = text + 1;
    if (is_allowed(peer, call, declared, kind, way)) continue;
    if (!*way) way = "its whole body";
    if (kind == SECRET_CREDENTIAL)
      snprintf(message, size,
               "%s %s would send a credential in '%s': a credential of a sign-in is never part of a body; leave it "
               "out, the program attaches it where it belongs",
               call->method, call->path, way);
    else
      snprintf(message, size, "%s %s would send a secret in '%s': in the body of this call %s may hold a secret",
               call->method, call->path, way, members_of(peer, call, declared));
    return "secret";
  }
  return NULL;
}
