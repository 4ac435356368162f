/* The rules of one script: the calls that it declared, and whether a request is one of them. No I/O and no Lua. */
#include "gate_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list of rules ---- */

static void free_rule(struct rule *rule) {
  free(rule->peer);
  free(rule->method);
  free(rule->path);
  free(rule->members);
  free(rule->secrets);
  free(rule->answers);
}

void gate_rules_free(struct rights *rights) {
  for (size_t i = 0; i < rights->count; i++) free_rule(&rights->rules[i]);
  free(rights->rules);
  free(rights->owner);
  buffer_free(&rights->programs);
  buffer_free(&rights->folders);
  *rights = (struct rights){0};
}

int gate_rules_add(struct rights *rights, const struct rule *rule) {
  int ok = 1;
  struct rule copy = {gate_peer_copy_text(rule->peer, &ok),    gate_peer_copy_text(rule->method, &ok),
                      gate_peer_copy_text(rule->path, &ok),    gate_peer_copy_text(rule->members, &ok),
                      gate_peer_copy_text(rule->secrets, &ok), gate_peer_copy_text(rule->answers, &ok)};
  struct rule *list = ok ? reallocarray(rights->rules, rights->count + 1, sizeof *list) : NULL;
  if (!list) {
    free_rule(&copy);
    return 0;
  }
  rights->rules = list;
  list[rights->count++] = copy;
  return 1;
}

/* Return the rights that these were narrowed from in the first place: they hold the rules. */
static const struct rights *root_rights(const struct rights *rights) {
  while (rights->parent) rights = rights->parent;
  return rights;
}

const char *gate_rules_owner(const struct rights *rights) {
  return root_rights(rights)->owner;
}

/* ---- matching a call with a rule ---- */

static int is_rule_member(struct slice member, const char *members) {
  for (const char *rest = members; *rest; rest += *rest == ',')
    if (gate_slice_equal(member, gate_slice_cut(&rest, ","))) return 1;
  return 0;
}

/* Return the first member of the call that is not in the rule's list; length 0 when all are. */
static struct slice first_undeclared_member(const struct call *call, const struct rule *rule) {
  const char *rest = call->members ? call->members : "";
  while (rule->members && *rest) {
    struct slice member = gate_slice_cut(&rest, ",");
    if (!is_rule_member(member, rule->members)) return member;
    rest += *rest == ',';
  }
  return (struct slice){"", 0};
}

/* Does the rule allow the members of the call? A call whose members are unknown is not allowed where members are
 * declared. */
static int rule_allows_members(const struct rule *rule, const struct call *call) {
  return !rule->members || (call->members && !first_undeclared_member(call, rule).length);
}

static int rule_matches_call(const struct rule *rule, const char *peer, const struct call *call) {
  return strcmp(rule->peer, peer) == 0 && strcmp(rule->method, call->method) == 0 &&
         gate_template_match(rule->path, call->path, gate_template_forms(peer, call->method));
}

/* Return the rule that allows the call; or NULL, and in *near a rule that only the members do not match. */
static const struct rule *find_rule(const struct rights *root, const char *peer, const struct call *call,
                                    const struct rule **near) {
  for (size_t i = 0; i < root->count; i++) {
    if (!rule_matches_call(&root->rules[i], peer, call)) continue;
    *near = &root->rules[i];
    if (rule_allows_members(*near, call)) return *near;
  }
  return NULL;
}

const struct rule *gate_rules_find(const struct rights *rights, const char *peer, const struct call *call) {
  const struct rule *near = NULL;
  return find_rule(root_rights(rights), peer, call, &near);
}

/* ---- sentences of refusals ---- */

static void write_members_refusal(const struct rule *rule, const struct call *call, const char *owner, char *message,
                                  size_t size) {
  struct slice member = first_undeclared_member(call, rule);
  if (!member.length) member = (struct slice){"others", 6};
  snprintf(message, size, "%s %s is declared in %s for the members %s only, but this call sets %.*s", call->method,
           call->path, owner, rule->members, (int)member.length, member.at);
}

/* Write that the call is not declared, with the line to add to `needs`. When memory is out, the line is cut. */
static void write_undeclared_refusal(const char *peer, const struct call *call, const char *owner, char *message,
                                     size_t size) {
  struct buffer line = {0};
  gate_template_suggest(&line, call->path);
  int members = strcmp(call->method, "PATCH") == 0 && call->members && *call->members;
  if (strcmp(peer, "graph") == 0)
    snprintf(message, size, "%s %s is not declared: if it is meant, add \"%s %.*s%s%s\" to needs.graph of %s",
             call->method, call->path, call->method, (int)line.length, line.length ? line.data : "", members ? "#" : "",
             members ? call->members : "", owner);
  else if (!request_peer_is_own(peer))
    snprintf(message, size, "%s %s is not declared: if it is meant, add \"%s %.*s\" to needs.peers.%s of %s",
             call->method, call->path, call->method, (int)line.length, line.length ? line.data : "", peer, owner);
  else
    snprintf(message, size, "%s %s is not declared: if it is meant, add it to needs.%s of %s", call->method, call->path,
             peer, owner);
  buffer_free(&line);
}

static void write_read_only_refusal(const struct call *call, const char *owner, int undeclared, char *message,
                                    size_t size) {
  if (undeclared)
    snprintf(message, size, "%s %s would change something, and %s may only read: --write lifts that", call->method,
             call->path, owner);
  else
    snprintf(message, size, "%s %s would change something, and %s may only read at this point", call->method,
             call->path, owner);
}

/* ---- requests ---- */

/* Return 1 when the script may make every call of the request; else 0, and a sentence in message. */
static int rules_allow_every_call(const struct rights *root, const struct request *request, char *message,
                                  size_t size) {
  if (root->mode == GATE_WRITE || (root->mode == GATE_READ && !request->changes)) return 1;
  for (size_t i = 0; i < request->call_count; i++) {
    const struct call *call = &request->calls[i];
    const struct rule *near = NULL;
    if (find_rule(root, request->peer, call, &near)) continue;
    if (root->mode == GATE_READ)
      write_read_only_refusal(call, root->owner, 1, message, size);
    else if (near)
      write_members_refusal(near, call, root->owner, message, size);
    else
      write_undeclared_refusal(request->peer, call, root->owner, message, size);
    return 0;
  }
  return 1;
}

static const char *rules_refuse_calls(const struct rights *rights, const struct request *request, char *message,
                                      size_t size) {
  const struct rights *root = root_rights(rights);
  if (!rules_allow_every_call(root, request, message, size)) return "undeclared";
  if (rights == root || !request->changes) return NULL;
  write_read_only_refusal(request->calls, root->owner, 0, message, size);
  return "undeclared";
}

/* Return the part of path below the base path; NULL when path lies outside. */
static const char *path_below_peer_base(const char *path, const char *base) {
  size_t length = strlen(base);
  if (strncmp(path, base, length) != 0) return NULL;
  if (!path[length]) return "/"; /* the base itself: the only call of a peer whose address is a secret */
  return path[length] == '/' ? path + length : NULL;
}

/* Return the path of the call that a peer sees in this path; NULL when it lies outside the peer's base. Calls of Graph
 * that only its beta version has are "/beta/…", beside the base "/v1.0". */
static const char *call_path_of_peer(const struct peer *peer, const char *path) {
  static const char version[] = "/v1.0", beta[] = "/beta/";
  size_t length = strlen(peer->base), end = sizeof version - 1;
  if (strcmp(peer->name, "graph") == 0 && length >= end && strcmp(peer->base + length - end, version) == 0 &&
      strncmp(path, peer->base, length - end) == 0 && strncmp(path + length - end, beta, sizeof beta - 1) == 0)
    return path + length - end;
  return path_below_peer_base(path, peer->base);
}

/* Are the calls that the request names the calls that its URL makes? The rules check the calls, and the peer sees the
 * URL. Only a $batch names other calls than its URL. */
static int request_calls_match_url(const struct request *request, const char *path) {
  if (request->call_count && strcmp(path, "/$batch") == 0) return 1;
  return request->call_count == 1 && strcmp(request->calls[0].path, path) == 0 &&
         strcmp(request->calls[0].method, request->method) == 0;
}

static const char *rules_refuse_route(const struct peer *peer, const struct request *request, char *message,
                                      size_t size) {
  char *path = NULL;
  if (!peer || strcmp(peer->origin, request->origin) != 0) {
    snprintf(message, size, "%s %s is refused: it is not the address of the profile's %s%s%s", request->method,
             request->origin, request->peer, peer ? ", which is " : "; the profile names none",
             peer ? peer->origin : "");
    return "peer";
  }
  if (curl_url_get(request->target->parsed, CURLUPART_PATH, &path, 0) != CURLUE_OK) {
    snprintf(message, size, "not enough memory");
    return "memory";
  }
  const char *call_path = call_path_of_peer(peer, path);
  const char *kind = !call_path ? "peer" : request_calls_match_url(request, call_path) ? NULL : "undeclared";
  if (kind && peer->is_secret)
    snprintf(message, size, "%s %s is refused: it is not the secret address of this peer", request->method,
             request->origin);
  else if (kind && !call_path)
    snprintf(message, size, "%s %s is refused: it is not below %s%s, the address of this peer in the profile",
             request->method, path, peer->origin, peer->base);
  else if (kind)
    snprintf(message, size, "%s %s is refused: its URL makes another call than the one that was checked",
             request->method, path);
  curl_free(path);
  return kind;
}

static const char *rules_refuse_secrets(const struct rights *rights, const struct request *request, char *message,
                                        size_t size) {
  const char *kind = NULL;
  for (size_t i = 0; i < request->call_count && !kind; i++) {
    const struct call *call = &request->calls[i];
    const struct rule *rule = gate_rules_find(rights, request->peer, call);
    kind = gate_secrets_refuse(request->peer, call, rule ? rule->secrets : NULL, message, size);
  }
  return kind;
}

const char *gate_rules_refuse(const struct rights *rights, const struct peers *peers, const struct request *request,
                              const struct credential *credential, char *message, size_t size) {
  const char *kind = rules_refuse_route(gate_peers_find(peers, request->peer), request, message, size);
  if (!kind) kind = rules_refuse_calls(rights, request, message, size);
  if (!kind) kind = rules_refuse_secrets(rights, request, message, size);
  if (kind || !credential) return kind;
  if (strcmp(credential->origin, request->origin) != 0)
    snprintf(message, size, "the credential was made for %s and does not go to %s", credential->origin,
             request->origin);
  else if (request_find_header(request, credential->header))
    snprintf(message, size, "%s %s sets the header %s, which holds the credential of this peer", request->method,
             request->origin, credential->header);
  else
    return NULL;
  return "credential";
}

/* ---- programs and folders ---- */

static int rights_have_name(const struct buffer *names, const char *name) {
  for (const char *listed = buffer_next_text(names, NULL); listed; listed = buffer_next_text(names, listed))
    if (strcmp(listed, name) == 0) return 1;
  return 0;
}

const char *gate_rules_refuse_use(const struct rights *rights, enum gate_use use, const char *name, char *message,
                                  size_t size) {
  static const char *const verbs[] = {"run the program", "read the folder", "write to the folder"};
  const struct rights *root = root_rights(rights);
  const char *member = use == GATE_USE_RUN ? "run" : "files";
  int declared = rights_have_name(use == GATE_USE_RUN ? &root->programs : &root->folders, name);
  if (root->mode == GATE_READ)
    snprintf(message, size, "%s may not %s '%s', because it may only read: --write lifts that", root->owner, verbs[use],
             name);
  else if (!declared && root->mode != GATE_WRITE)
    snprintf(message, size, "%s may not %s '%s': if it is meant, add \"%s\" to needs.%s of the script", root->owner,
             verbs[use], name, name, member);
  else if (rights != root && use != GATE_USE_READ)
    snprintf(message, size, "%s may not %s '%s', because it may only read at this point", root->owner, verbs[use],
             name);
  else
    return NULL;
  return "undeclared";
}
