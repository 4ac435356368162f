/* What one script may do: the calls it declared, and whether a request is among them. No I/O and no Lua. */
#include "gate_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

static void free_rule(struct rule *rule) {
  free(rule->peer);
  free(rule->method);
  free(rule->path);
  free(rule->members);
  free(rule->secrets);
  free(rule->answers);
}

void gate_rights_free(struct rights *rights) {
  for (size_t i = 0; i < rights->count; i++) free_rule(&rights->rules[i]);
  free(rights->rules);
  free(rights->owner);
  buffer_free(&rights->programs);
  buffer_free(&rights->folders);
  *rights = (struct rights){0};
}

int gate_rights_add(struct rights *rights, const struct rule *rule) {
  int ok = 1;
  struct rule made = {gate_copy(rule->peer, &ok),    gate_copy(rule->method, &ok),  gate_copy(rule->path, &ok),
                      gate_copy(rule->members, &ok), gate_copy(rule->secrets, &ok), gate_copy(rule->answers, &ok)};
  struct rule *list = ok ? reallocarray(rights->rules, rights->count + 1, sizeof *list) : NULL;
  if (!list) {
    free_rule(&made);
    return 0;
  }
  rights->rules = list;
  list[rights->count++] = made;
  return 1;
}

/* What the rights were narrowed from in the end: theirs are the rules. */
static const struct rights *root_of(const struct rights *rights) {
  while (rights->parent) rights = rights->parent;
  return rights;
}

const char *gate_rights_owner_of(const struct rights *rights) {
  return root_of(rights)->owner;
}

/* ---- one call against one rule ---- */

static int listed(struct slice member, const char *members) {
  for (const char *rest = members; *rest; rest += *rest == ',')
    if (gate_slice_same(member, gate_slice_cut(&rest, ","))) return 1;
  return 0;
}

/* The first member of the call that is not in the rule's list; length 0 when all are. */
static struct slice unlisted(const struct call *call, const struct rule *rule) {
  const char *rest = call->members ? call->members : "";
  while (rule->members && *rest) {
    struct slice member = gate_slice_cut(&rest, ",");
    if (!listed(member, rule->members)) return member;
    rest += *rest == ',';
  }
  return (struct slice){"", 0};
}

/* Without knowing the members nobody can say that they are among the declared ones. */
static int admits(const struct rule *rule, const struct call *call) {
  return !rule->members || (call->members && !unlisted(call, rule).length);
}

static int fits(const struct rule *rule, const char *peer, const struct call *call) {
  return strcmp(rule->peer, peer) == 0 && strcmp(rule->method, call->method) == 0 &&
         gate_template_match(rule->path, call->path, gate_template_forms(peer, call->method));
}

/* The rule that allows the call; or NULL, and in *near one that fits but for the members. */
static const struct rule *find_rule(const struct rights *root, const char *peer, const struct call *call,
                                    const struct rule **near) {
  for (size_t i = 0; i < root->count; i++) {
    if (!fits(&root->rules[i], peer, call)) continue;
    *near = &root->rules[i];
    if (admits(*near, call)) return *near;
  }
  return NULL;
}

const struct rule *gate_rights_rule(const struct rights *rights, const char *peer, const struct call *call) {
  const struct rule *near = NULL;
  return find_rule(root_of(rights), peer, call, &near);
}

/* ---- sentences ---- */

static void say_members(const struct rule *rule, const struct call *call, const char *owner, char *message,
                        size_t size) {
  struct slice member = unlisted(call, rule);
  if (!member.length) member = (struct slice){"others", 6};
  snprintf(message, size, "%s %s is declared in %s for the members %s only, but this call sets %.*s", call->method,
           call->path, owner, rule->members, (int)member.length, member.at);
}

/* With the line to add. Memory that is out shortens it. */
static void say_undeclared(const char *peer, const struct call *call, const char *owner, char *message, size_t size) {
  struct buffer line = {0};
  gate_template_suggest(&line, call->path);
  int members = strcmp(call->method, "PATCH") == 0 && call->members && *call->members;
  if (strcmp(peer, "graph") == 0)
    snprintf(message, size, "%s %s is not declared: if it is meant, add \"%s %.*s%s%s\" to needs.graph of %s",
             call->method, call->path, call->method, (int)line.length, line.length ? line.data : "", members ? "#" : "",
             members ? call->members : "", owner);
  else
    snprintf(message, size, "%s %s is not declared: if it is meant, add it to needs.%s of %s", call->method, call->path,
             peer, owner);
  buffer_free(&line);
}

static void say_reading(const struct call *call, const char *owner, int undeclared, char *message, size_t size) {
  if (undeclared)
    snprintf(message, size, "%s %s would change something, and %s may only read: --write lifts that", call->method,
             call->path, owner);
  else
    snprintf(message, size, "%s %s would change something, and %s only reads now", call->method, call->path, owner);
}

/* ---- requests ---- */

/* 1 when every call may be made; else 0 and a sentence. */
static int allows_calls(const struct rights *root, const struct request *request, char *message, size_t size) {
  if (root->mode == GATE_WRITE || (root->mode == GATE_READ && !request->changes)) return 1;
  for (size_t i = 0; i < request->call_count; i++) {
    const struct call *call = &request->calls[i];
    const struct rule *near = NULL;
    if (find_rule(root, request->peer, call, &near)) continue;
    if (root->mode == GATE_READ)
      say_reading(call, root->owner, 1, message, size);
    else if (near)
      say_members(near, call, root->owner, message, size);
    else
      say_undeclared(request->peer, call, root->owner, message, size);
    return 0;
  }
  return 1;
}

static const char *refuse_calls(const struct rights *rights, const struct request *request, char *message,
                                size_t size) {
  const struct rights *root = root_of(rights);
  if (!allows_calls(root, request, message, size)) return "undeclared";
  if (rights == root || !request->changes) return NULL;
  say_reading(request->calls, root->owner, 0, message, size);
  return "undeclared";
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

static const char *refuse_secrets(const struct rights *rights, const struct request *request, char *message,
                                  size_t size) {
  const char *kind = NULL;
  for (size_t i = 0; i < request->call_count && !kind; i++) {
    const struct call *call = &request->calls[i];
    const struct rule *rule = gate_rights_rule(rights, request->peer, call);
    kind = gate_secrets_refuse(request->peer, call, rule ? rule->secrets : NULL, message, size);
  }
  return kind;
}

const char *gate_rights_refuse(const struct rights *rights, const struct peers *peers, const struct request *request,
                               const struct credential *credential, char *message, size_t size) {
  const char *kind = refuse_route(gate_peers_find(peers, request->peer), request, message, size);
  if (!kind) kind = refuse_calls(rights, request, message, size);
  if (!kind) kind = refuse_secrets(rights, request, message, size);
  if (kind || !credential || strcmp(credential->origin, request->origin) == 0) return kind;
  snprintf(message, size, "the credential was made for %s and does not go to %s", credential->origin, request->origin);
  return "credential";
}

/* ---- programs and folders ---- */

static int has_name(const struct buffer *names, const char *name) {
  for (const char *one = buffer_text(names, NULL); one; one = buffer_text(names, one))
    if (strcmp(one, name) == 0) return 1;
  return 0;
}

const char *gate_rights_refuse_use(const struct rights *rights, enum gate_use use, const char *name, char *message,
                                   size_t size) {
  static const char *const verbs[] = {"run the program", "read the folder", "write to the folder"};
  const struct rights *root = root_of(rights);
  const char *member = use == GATE_RUN ? "run" : "files";
  int declared = has_name(use == GATE_RUN ? &root->programs : &root->folders, name);
  if (root->mode == GATE_READ)
    snprintf(message, size, "%s may not %s '%s', because it may only read: --write lifts that", root->owner, verbs[use],
             name);
  else if (!declared && root->mode != GATE_WRITE)
    snprintf(message, size, "%s may not %s '%s': if it is meant, add \"%s\" to needs.%s of the script", root->owner,
             verbs[use], name, name, member);
  else if (rights != root && use != GATE_LOOK)
    snprintf(message, size, "%s may not %s '%s', because it only reads now", root->owner, verbs[use], name);
  else
    return NULL;
  return "undeclared";
}
