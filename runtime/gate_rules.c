/* What the gate lets through: peers, declared calls, and how a call's path is
 * held against a template. No I/O and no Lua. */
#include "gate_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the list ---- */

static void free_peer(struct peer *peer) {
  free(peer->name);
  free(peer->origin);
  free(peer->base);
  free(peer->ca);
  free(peer->proxy);
}

static void free_rule(struct rule *rule) {
  free(rule->peer);
  free(rule->method);
  free(rule->path);
  free(rule->members);
}

void gate_rules_free(struct rules *rules) {
  for (size_t i = 0; i < rules->peer_count; i++) free_peer(&rules->peers[i]);
  for (size_t i = 0; i < rules->count; i++) free_rule(&rules->list[i]);
  free(rules->peers);
  free(rules->list);
  *rules = (struct rules){0};
}

/* A copy of text that may be absent; *ok turns 0 when memory is out. */
static char *copy(const char *text, int *ok) {
  char *made = text ? strdup(text) : NULL;
  if (text && !made) *ok = 0;
  return made;
}

const struct peer *gate_rules_peer(const struct rules *rules, const char *name) {
  for (size_t i = 0; i < rules->peer_count; i++)
    if (strcmp(rules->peers[i].name, name) == 0) return &rules->peers[i];
  return NULL;
}

static struct peer *peer_slot(struct rules *rules, const char *name) {
  const struct peer *known = gate_rules_peer(rules, name);
  if (known) return &rules->peers[known - rules->peers];
  struct peer *peers = reallocarray(rules->peers, rules->peer_count + 1, sizeof *peers);
  if (!peers) return NULL;
  rules->peers = peers;
  peers[rules->peer_count] = (struct peer){0};
  return &peers[rules->peer_count];
}

int gate_rules_add_peer(struct rules *rules, const struct peer *peer) {
  int ok = 1;
  struct peer made = {copy(peer->name, &ok), copy(peer->origin, &ok), copy(peer->base, &ok),
                      copy(peer->ca, &ok),   copy(peer->proxy, &ok),  peer->lenient};
  struct peer *slot = ok ? peer_slot(rules, peer->name) : NULL;
  if (!slot) {
    free_peer(&made);
    return 0;
  }
  if (slot == rules->peers + rules->peer_count) rules->peer_count++;
  free_peer(slot);
  *slot = made;
  return 1;
}

int gate_rules_add(struct rules *rules, const struct rule *rule) {
  int ok = 1;
  struct rule made = {copy(rule->peer, &ok), copy(rule->method, &ok), copy(rule->path, &ok), copy(rule->members, &ok)};
  struct rule *list = ok ? reallocarray(rules->list, rules->count + 1, sizeof *list) : NULL;
  if (!list) {
    free_rule(&made);
    return 0;
  }
  rules->list = list;
  list[rules->count++] = made;
  return 1;
}

/* ---- where peers may be ---- */

/* Copy the host out of scheme://host:port, without an IPv6 address's brackets. */
static void host_of(const char *origin, char *host, size_t size) {
  const char *begin = strstr(origin, "://") + 3;
  const char *end = strrchr(begin, ':');
  int bracket = *begin == '[';
  snprintf(host, size, "%.*s", (int)(end - begin) - 2 * bracket, begin + bracket);
}

/* NULL, or why this kind of door does not lead there. */
static const char *refuse_host(const char *name, const char *origin, int emulator) {
  char host[256];
  host_of(origin, host, sizeof host);
  int local = http_is_loopback(host);
  if (!emulator && strcmp(name, "identity") == 0)
    return http_is_near(host) ? NULL : "managed identities are served on this machine or its link (169.254.*.*) only";
  if (emulator && !local) return "an emulator's profile reaches this machine only (127.0.0.1, ::1, localhost)";
  if (!emulator && local) return "a real profile does not reach this machine; a profile with emulator = true does";
  return NULL;
}

static const char *refuse_proxy(const char *proxy) {
  if (!proxy) return NULL;
  CURLU *parsed = curl_url();
  if (!parsed) return "memory is out, so the address of its proxy cannot be checked";
  char *rest = NULL;
  CURLUcode code = curl_url_set(parsed, CURLUPART_URL, proxy, CURLU_DISALLOW_USER);
  int http = strncmp(proxy, "http://", 7) == 0;
  if (!code) code = curl_url_get(parsed, CURLUPART_PATH, &rest, 0);
  int plain = !code && http && rest && strcmp(rest, "/") == 0;
  curl_free(rest);
  curl_url_cleanup(parsed);
  return plain ? NULL : "a proxy is named as http://host:port";
}

const char *gate_rules_refuse_peer(const char *name, const char *origin, const char *proxy, int emulator) {
  const char *why = refuse_host(name, origin, emulator);
  if (!why && proxy && strcmp(name, "identity") == 0) why = "no proxy leads to it";
  return why ? why : refuse_proxy(proxy);
}

/* ---- templates ---- */

struct text {
  const char *at;
  size_t length;
};

static int same(struct text a, struct text b) {
  return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* Cut what stands before any of the stops off the front of *rest, with the stop. */
static struct text cut(const char **rest, const char *stops) {
  struct text part = {*rest, strcspn(*rest, stops)};
  *rest += part.length;
  return part;
}

/* An id is one segment that no server takes for more: no operator ($ref,
 * $batch), no slash in disguise. */
static int is_id(struct text segment) {
  if (!segment.length || *segment.at == '$') return 0;
  for (size_t i = 0; i + 2 < segment.length; i++)
    if (strncasecmp(segment.at + i, "%2f", 3) == 0 || strncasecmp(segment.at + i, "%5c", 3) == 0) return 0;
  return 1;
}

/* The end of a quoted value that begins at text; quotes inside are doubled. */
static const char *skip_quoted(const char *text, const char *end) {
  for (text++; text < end; text++) {
    if (*text != '\'') continue;
    if (text + 1 == end || text[1] != '\'') return text + 1;
    text++;
  }
  return end;
}

/* The next key of "a='x',b='y'" and where the one after it begins. */
static struct text next_key(const char **rest, const char *end) {
  struct text key = {*rest, 0};
  while (*rest < end && **rest != '=' && **rest != ',') ++*rest;
  key.length = (size_t)(*rest - key.at);
  if (*rest < end && **rest == '=') {
    ++*rest;
    if (*rest < end && **rest == '\'') *rest = skip_quoted(*rest, end);
    while (*rest < end && **rest != ',') ++*rest;
  }
  if (*rest < end) ++*rest;
  return key;
}

static int same_keys(struct text pattern, struct text actual) {
  const char *a = pattern.at, *b = actual.at;
  const char *a_end = a + pattern.length, *b_end = b + actual.length;
  while (a < a_end && b < b_end)
    if (!same(next_key(&a, a_end), next_key(&b, b_end))) return 0;
  return a == a_end && b == b_end;
}

/* "(uniqueName)" or "(uniqueName='{name}')" against "(uniqueName='x')": the keys
 * between the parentheses have to be the same, in the same order. */
static int same_call(struct text pattern, struct text actual, const char *open) {
  size_t name = (size_t)(open - pattern.at) + 1;
  if (actual.length <= name || memcmp(pattern.at, actual.at, name) != 0) return 0;
  if (pattern.at[pattern.length - 1] != ')' || actual.at[actual.length - 1] != ')') return 0;
  return same_keys((struct text){pattern.at + name, pattern.length - name - 1},
                   (struct text){actual.at + name, actual.length - name - 1});
}

static int match_segment(struct text pattern, struct text actual) {
  const char *open = memchr(pattern.at, '(', pattern.length);
  if (pattern.length > 2 && *pattern.at == '{' && pattern.at[pattern.length - 1] == '}' && !open) return is_id(actual);
  if (!open) return same(pattern, actual);
  return same_call(pattern, actual, open);
}

int gate_rules_match(const char *pattern, const char *path) {
  while (*pattern == '/' && *path == '/') {
    if (strcmp(pattern, "/*") == 0) return 1;
    pattern++, path++;
    if (!match_segment(cut(&pattern, "/"), cut(&path, "/"))) return 0;
  }
  return !*pattern && !*path;
}

/* ---- decisions ---- */

static int listed(struct text member, const char *members) {
  for (const char *rest = members; *rest; rest += *rest == ',')
    if (same(member, cut(&rest, ","))) return 1;
  return 0;
}

/* The first member of the call that is not in the rule's list; length 0 when all are. */
static struct text unlisted(const struct call *call, const struct rule *rule) {
  const char *rest = call->members ? call->members : "";
  while (rule->members && *rest) {
    struct text member = cut(&rest, ",");
    if (!listed(member, rule->members)) return member;
    rest += *rest == ',';
  }
  return (struct text){"", 0};
}

/* Without knowing the members nobody can say that they are among the declared ones. */
static int admits(const struct rule *rule, const struct call *call) {
  return !rule->members || (call->members && !unlisted(call, rule).length);
}

static int fits(const struct rule *rule, const char *peer, const struct call *call) {
  return strcmp(rule->peer, peer) == 0 && strcmp(rule->method, call->method) == 0 &&
         gate_rules_match(rule->path, call->path);
}

static void say_members(const struct rule *rule, const struct call *call, char *message, size_t size) {
  struct text member = unlisted(call, rule);
  if (!member.length) member = (struct text){"others", 6};
  snprintf(message, size, "%s %s is declared for the members %s only, but this call sets %.*s", call->method,
           call->path, rule->members, (int)member.length, member.at);
}

/* Does the segment look like what names one object: a GUID, a user, something escaped? */
static int is_name(struct text segment) {
  size_t dashes = 0;
  for (size_t i = 0; i < segment.length; i++) {
    if (strchr("@%", segment.at[i])) return 1;
    dashes += segment.at[i] == '-';
  }
  return dashes >= 4;
}

/* "/users/a@b.c/x(key='v')" as it is declared: "/users/{id}/x(key)". */
static void add_template(struct buffer *out, const char *path) {
  while (*path == '/') {
    path++;
    struct text segment = cut(&path, "/");
    const char *open = memchr(segment.at, '(', segment.length), *equals = memchr(segment.at, '=', segment.length);
    int keyed = open && equals > open;
    buffer_append_string(out, "/");
    if (keyed)
      buffer_append(out, segment.at, (size_t)(equals - segment.at));
    else if (is_name(segment))
      buffer_append_string(out, "{id}");
    else
      buffer_append(out, segment.at, segment.length);
    if (keyed) buffer_append_string(out, ")");
  }
}

/* With the line to add. Memory that is out shortens it. */
static void say_undeclared(const char *peer, const struct call *call, char *message, size_t size) {
  struct buffer line = {0};
  add_template(&line, call->path);
  int members = strcmp(call->method, "PATCH") == 0 && call->members && *call->members;
  if (strcmp(peer, "graph") == 0)
    snprintf(message, size, "%s %s is not declared: if it is meant, add \"%s %.*s%s%s\" to needs.graph of the script",
             call->method, call->path, call->method, (int)line.length, line.length ? line.data : "", members ? "#" : "",
             members ? call->members : "");
  else
    snprintf(message, size, "%s %s is not declared: if it is meant, add it to needs.%s of the script", call->method,
             call->path, peer);
  buffer_free(&line);
}

/* NULL, or the kind of refusal. */
static const char *refuse_call(const struct rules *rules, const char *peer, const struct call *call, char *message,
                               size_t size) {
  const struct rule *near = NULL;
  for (size_t i = 0; i < rules->count; i++) {
    if (!fits(&rules->list[i], peer, call)) continue;
    near = &rules->list[i];
    if (admits(near, call)) return NULL;
  }
  if (near)
    say_members(near, call, message, size);
  else
    say_undeclared(peer, call, message, size);
  return "undeclared";
}

/* The mode lets through what was not declared; only then is a rule not needed. */
static int is_open(const struct rules *rules, const struct request *request) {
  int asks = rules->mode == GATE_READ || request->explains;
  return rules->mode == GATE_WRITE || (asks && !request->changes);
}

static const char *refuse_calls(const struct rules *rules, const struct request *request, char *message, size_t size) {
  if (is_open(rules, request)) return NULL;
  for (size_t i = 0; i < request->call_count; i++) {
    if (!refuse_call(rules, request->peer, &request->calls[i], message, size)) continue;
    if (rules->mode == GATE_READ)
      snprintf(message, size, "%s %s would change something, and this code may only read: --write lifts that",
               request->calls[i].method, request->calls[i].path);
    return "undeclared";
  }
  return NULL;
}

/* The path below the peer's base, or NULL when it lies outside. */
static const char *below(const char *path, const char *base) {
  size_t length = strlen(base);
  if (strncmp(path, base, length) != 0) return NULL;
  return path[length] == '/' || !path[length] ? path + length : NULL;
}

/* What is checked has to be what is sent: the calls a request names are held
 * against its URL. Only a $batch names others than itself. */
static int names_itself(const struct request *request, const char *path) {
  if (request->call_count && strcmp(path, "/$batch") == 0) return 1;
  return request->call_count == 1 && strcmp(request->calls[0].path, path) == 0 &&
         strcmp(request->calls[0].method, request->method) == 0;
}

static const char *refuse_route(const struct peer *peer, const struct request *request, char *message, size_t size) {
  char *path = NULL;
  if (!peer || strcmp(peer->origin, request->origin) != 0) {
    snprintf(message, size, "%s %s is not where the profile's %s is%s%s", request->method, request->origin,
             request->peer, peer ? ": that is " : ": it names none", peer ? peer->origin : "");
    return "peer";
  }
  if (curl_url_get(request->target->parsed, CURLUPART_PATH, &path, 0) != CURLUE_OK) {
    snprintf(message, size, "not enough memory");
    return "memory";
  }
  const char *inside = below(path, peer->base);
  const char *kind = !inside ? "peer" : names_itself(request, inside) ? NULL : "undeclared";
  if (kind && !inside)
    snprintf(message, size, "%s %s lies outside of %s%s, which is all that may be reached there", request->method, path,
             peer->origin, peer->base);
  else if (kind)
    snprintf(message, size, "%s %s was built as another call than its URL says", request->method, path);
  curl_free(path);
  return kind;
}

const char *gate_rules_refuse(const struct rules *rules, const struct request *request,
                              const struct credential *credential, char *message, size_t size) {
  const char *kind = refuse_route(gate_rules_peer(rules, request->peer), request, message, size);
  if (!kind) kind = refuse_calls(rules, request, message, size);
  for (size_t i = 0; i < request->call_count && !kind; i++)
    kind = gate_secrets_refuse(request->peer, &request->calls[i], NULL, message, size);
  if (kind || !credential || strcmp(credential->origin, request->origin) == 0) return kind;
  snprintf(message, size, "the credential was made for %s and does not go to %s", credential->origin, request->origin);
  return "credential";
}
