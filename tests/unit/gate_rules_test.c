/* The gate's rules: the requests that they allow, and how they refuse others, without a network. */
#include "gate_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct peer peer_at(const char *name, const char *origin, const char *base) {
  return (struct peer){.name = (char *)name, .origin = (char *)origin, .base = (char *)base};
}

/* The peers of a profile and the rights of one script. */
struct rules {
  struct peers peers;
  struct rights rights;
};

static void allow(struct rules *rules, const char *method, const char *path, const char *members) {
  struct rule rule = {(char *)"graph", (char *)method, (char *)path, (char *)members, NULL, NULL};
  assert_true(gate_rules_add(&rules->rights, &rule));
}

static int open_rules_state(void **state) {
  lua_State *L = luaL_newstate();
  request_types(L);
  *state = L;
  return 0;
}

static int close_rules_state(void **state) {
  lua_close(*state);
  return 0;
}

static struct rules graph_rules(void) {
  struct rules rules = {.rights = {.owner = strdup("tier0.lua")}};
  struct peer peer = peer_at("graph", "https://graph.test:443", "/v1.0");
  assert_true(gate_peers_add(&rules.peers, &peer));
  return rules;
}

static void free_rules(struct rules *rules) {
  gate_peers_free(&rules->peers);
  gate_rules_free(&rules->rights);
}

static struct request *new_graph_request(lua_State *L, const char *method, const char *path, const char *members) {
  const char *url = lua_pushfstring(L, "https://graph.test/v1.0%s", path);
  struct request *request = request_new(L, "graph", method, url);
  request_add_call(L, request, method, path, members);
  request->changes = strcmp(method, "GET") != 0;
  return request;
}

/* Return the kind of refusal and its sentence, "kind: sentence", or "sent". */
static const char *check_request(const struct rules *rules, const struct request *request,
                                 const struct credential *credential, char *text) {
  char message[1024];
  const char *kind = gate_rules_refuse(&rules->rights, &rules->peers, request, credential, message, sizeof message);
  if (!kind) return "sent";
  snprintf(text, 1200, "%s: %s", kind, message);
  return text;
}

enum { GATE_NONE = GATE_KEYED + 1 };

static void a_template_matches_the_paths_it_means(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *path;
    int matches;
  } cases[] = {
      {"/users", "/users", 1},
      {"/users", "/users/", 0},
      {"/users", "/Users", 0},
      {"/users", "/users/1", 0},
      {"/users/{id}", "/users/1", 1},
      {"/users/{id}", "/users/", 0},
      {"/users/{id}", "/users/a@b.test", 1},
      {"/users/{id}", "/users/1/manager", 0},
      {"/users/{id}", "/users/$count", 0},
      {"/users/{id}", "/users/1%2Fmanager", 0},
      {"/users/{id}", "/users/1%5cmanager", 0},
      {"/users/{id}/manager/$ref", "/users/1/manager/$ref", 1},
      {"/applications/{id}/addPassword", "/applications/7/addPassword", 1},
      {"/applications/{id}/addPassword", "/applications/7/removePassword", 0},
      {"/applications(uniqueName)", "/applications(uniqueName='x')", 1},
      {"/applications(uniqueName)", "/applications(uniqueName='a%2Fb,c''d)')", 1},
      {"/applications(uniqueName)", "/applications(appId='x')", 0},
      {"/applications(uniqueName)", "/applications(uniqueName='x',appId='y')", 0},
      {"/applications(uniqueName)", "/applications(uniqueName='x')/addPassword", 0},
      {"/applications(uniqueName)", "/applications", 0},
      {"/applications(uniqueName)", "/applications(", 0},
      {"/applications(uniqueName)", "/applications()", 0},
      {"/applications(uniqueName='{uniqueName}')", "/applications(uniqueName='x')", 1},
      {"/applications(uniqueName)/owners", "/applications(uniqueName='x')/owners", 1},
      {"/roles/filterByCurrentUser(on)", "/roles/filterByCurrentUser(on='principal')", 1},
      {"/users/delta()", "/users/delta()", 1},
      {"/users/delta()", "/users/delta(x='1')", 0},
      {"/*", "/anything/at/all", 1},
      {"/*", "/", 1},
      {"/*", "", 0},
      {"/users/*", "/users/1/manager", 1},
      {"/users/*", "/groups/1", 0},
      {"/users/{id}", "/users/..", 0},
      {"/users/{id}", "/users/%2E%2e", 0},
      {"/users/{id}", "/users/.%2e", 0},
      {"/users/{id}", "/users/a.b", 1},
      {"/{id}", "/%24batch", 0},
      {"/groups/{id}/members/{id}", "/groups/1/members/%24ref", 0},
      {"/applications(uniqueName)", "/applications(uniqueName='x')('y')", 0},
      {"/applications(uniqueName)", "/applications(uniqueName='x'y)", 0},
      {"/applications(uniqueName)", "/applications(uniqueName=x)(y)", 0},
      {"/applications(uniqueName)", "/applications(uniqueName='it''s')", 1},
      {"/applications(uniqueName)", "/applications(uniqueName='(x),y')", 1},
      {"/v1/{path+}", "/v1/a", 1},
      {"/v1/{path+}", "/v1/a/b/c", 1},
      {"/v1/{path+}", "/v1/", 0},
      {"/v1/{path+}", "/v1", 0},
      {"/v1/{path+}", "/v1/a//b", 0},
      {"/v1/{path+}", "/v1/a/", 0},
      {"/v1/{path+}", "/v1/a/../b", 0},
      {"/v1/{path+}", "/v1/a/%2e%2E/b", 0},
      {"/v1/{path+}", "/v1/a%2fb", 0},
      {"/v1/{path+}", "/v1/a/$batch", 0},
      {"/v1/{path+}/data", "/v1/a/data", 1},
      {"/v1/{path+}/data", "/v1/a/b/data", 1},
      {"/v1/{path+}/data", "/v1/data", 0},
      {"/v1/{path+}/data", "/v1/a/b", 0},
      {"/v1/{path+}/data", "/v1/a/metadata", 0},
      {"/v1/{path+}/data/x", "/v1/data/x/data/x", 1},
      {"/v1/{mount}/data/{path+}", "/v1/secret/data/a/b", 1},
      {"/v1/{mount}/data/{path+}", "/v1/secret/metadata/a/b", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (gate_template_match(cases[i].pattern, cases[i].path, GATE_KEYED) != cases[i].matches)
      fail_msg("%s and %s", cases[i].pattern, cases[i].path);
}

static void one_object_has_three_addresses_at_graph(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *path;
    int least; /* the first of the forms that fits; GATE_NONE when none does */
  } cases[] = {
      {"/users/{id}", "/users('$a@b.test')", GATE_QUOTED},
      {"/users/{id}", "/users('O%27%27Brien@b.test')", GATE_QUOTED},
      {"/users/{id}", "/users('O''Brien (Ops),x=1@b.test')", GATE_QUOTED},
      {"/users/{id}", "/users('%24a%23EXT%23@b.test')", GATE_QUOTED},
      {"/users/{id}/manager", "/users('a')/manager", GATE_QUOTED},
      {"/a/{id}/b/{id}", "/a('1')/b('2')", GATE_QUOTED},
      {"/a/{id}/b/{id}", "/a/1/b('2')", GATE_QUOTED},
      {"/servicePrincipals/{id}", "/servicePrincipals(appId='x')", GATE_KEYED},
      {"/groups/{id}/owners", "/groups(uniqueName='a, (b)''c=d')/owners", GATE_KEYED},
      {"/users/{id}", "/users('')", GATE_NONE},
      {"/users/{id}", "/users()", GATE_NONE},
      {"/users/{id}", "/users(x)", GATE_NONE},
      {"/users/{id}", "/users('a'b)", GATE_NONE},
      {"/users/{id}", "/users('a'')", GATE_NONE},
      {"/users/{id}", "/users('a')('b')", GATE_NONE},
      {"/users/{id}", "/users('a','b')", GATE_NONE},
      {"/users/{id}", "/users('a%2Fmanager')", GATE_NONE},
      {"/users/{id}", "/users('a%5cmanager')", GATE_NONE},
      {"/users/{id}", "/users('..')", GATE_NONE},
      {"/users/{id}", "/users('%2e%2E')", GATE_NONE},
      {"/users/{id}", "/users('a')/manager", GATE_NONE},
      {"/users/{id}", "/userss('a')", GATE_NONE},
      {"/users/{id}", "/user('a')", GATE_NONE},
      {"/users", "/users('a')", GATE_NONE},
      {"/users/{id}", "/users(upn=a)", GATE_NONE},
      {"/users/{id}", "/users(='a')", GATE_NONE},
      {"/users/{id}", "/users(a='b',c='d')", GATE_NONE},
      {"/users/{id}", "/users(a='b'", GATE_NONE},
      {"/users/delta", "/users/delta('a')", GATE_NONE},
      {"/v1/{path+}", "/v1('a')", GATE_NONE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (enum gate_forms forms = GATE_AS_WRITTEN; forms <= GATE_KEYED; forms++)
      if (gate_template_match(cases[i].pattern, cases[i].path, forms) != ((int)forms >= cases[i].least))
        fail_msg("%s and %s, forms %d", cases[i].pattern, cases[i].path, (int)forms);
}

static void what_may_create_needs_its_key_declared(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  allow(&rules, "PATCH", "/applications/{id}", NULL);
  allow(&rules, "GET", "/applications/{id}", NULL);
  assert_string_equal(
      check_request(&rules, new_graph_request(*state, "GET", "/applications(uniqueName='x')", NULL), NULL, text),
      "sent");
  assert_string_equal(check_request(&rules, new_graph_request(*state, "PATCH", "/applications('x')", NULL), NULL, text),
                      "sent");
  assert_string_equal(
      check_request(&rules, new_graph_request(*state, "PATCH", "/applications(uniqueName='x')", NULL), NULL, text),
      "undeclared: PATCH /applications(uniqueName='x') is not declared: if it is meant, add \"PATCH "
      "/applications(uniqueName)\" to needs.graph of tier0.lua");
  assert_string_equal(check_request(&rules, new_graph_request(*state, "DELETE", "/users('$x')", NULL), NULL, text),
                      "undeclared: DELETE /users('$x') is not declared: if it is meant, add \"DELETE /users/{id}\" to "
                      "needs.graph of tier0.lua");
  assert_int_equal(gate_template_forms("devolutions", "GET"), GATE_AS_WRITTEN);
  free_rules(&rules);
}

static void only_declared_calls_leave(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  allow(&rules, "GET", "/users", NULL);
  assert_string_equal(check_request(&rules, new_graph_request(*state, "GET", "/users", NULL), NULL, text), "sent");
  assert_string_equal(
      check_request(&rules, new_graph_request(*state, "GET", "/groups", NULL), NULL, text),
      "undeclared: GET /groups is not declared: if it is meant, add \"GET /groups\" to needs.graph of tier0.lua");
  assert_non_null(
      strstr(check_request(&rules, new_graph_request(*state, "POST", "/users", NULL), NULL, text), "undeclared"));
  free_rules(&rules);
}

static void a_refusal_names_the_line_to_add(void **state) {
  static const struct {
    const char *method, *path, *members, *line;
  } cases[] = {
      {"PATCH", "/users/kim@contoso.com", "department,mail", "\"PATCH /users/{id}#department,mail\""},
      {"POST", "/groups/11111111-2222-3333-4444-555555555555/members/$ref", "@odata.id",
       "\"POST /groups/{id}/members/$ref\""},
      {"GET", "/applications(uniqueName='a-b-c-d-e')/owners", NULL, "\"GET /applications(uniqueName)/owners\""},
      {"GET", "/oauth2PermissionGrants", NULL, "\"GET /oauth2PermissionGrants\""},
  };
  char text[1200];
  struct rules rules = graph_rules();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct request *request = new_graph_request(*state, cases[i].method, cases[i].path, cases[i].members);
    if (!strstr(check_request(&rules, request, NULL, text), cases[i].line)) fail_msg("%s: %s", cases[i].path, text);
  }
  free_rules(&rules);
}

static void only_declared_members_are_set(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  allow(&rules, "PATCH", "/users/{id}", "passwordProfile,mail");
  assert_string_equal(
      check_request(&rules, new_graph_request(*state, "PATCH", "/users/1", "passwordProfile"), NULL, text), "sent");
  assert_string_equal(
      check_request(&rules, new_graph_request(*state, "PATCH", "/users/1", "mail,accountEnabled"), NULL, text),
      "undeclared: PATCH /users/1 is declared in tier0.lua for the members passwordProfile,mail only, "
      "but this call sets accountEnabled");
  assert_string_equal(check_request(&rules, new_graph_request(*state, "PATCH", "/users/1", NULL), NULL, text),
                      "undeclared: PATCH /users/1 is declared in tier0.lua for the members passwordProfile,mail only, "
                      "but this call sets others");
  allow(&rules, "PATCH", "/users/{id}", "accountEnabled");
  assert_string_equal(
      check_request(&rules, new_graph_request(*state, "PATCH", "/users/1", "accountEnabled"), NULL, text), "sent");
  free_rules(&rules);
}

static void every_call_of_a_batch_is_checked(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  struct request *batch = request_new(*state, "graph", "POST", "https://graph.test/v1.0/$batch");
  request_add_call(*state, batch, "GET", "/users", NULL);
  request_add_call(*state, batch, "DELETE", "/users/1", NULL);
  allow(&rules, "GET", "/users", NULL);
  assert_non_null(strstr(check_request(&rules, batch, NULL, text), "undeclared: DELETE /users/1 is not declared"));
  allow(&rules, "DELETE", "/users/{id}", NULL);
  assert_string_equal(check_request(&rules, batch, NULL, text), "sent");
  free_rules(&rules);
}

static void a_request_cannot_pass_as_another(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  allow(&rules, "GET", "/users", NULL);
  rules.rights.mode = GATE_WRITE;
  struct request *other = request_new(*state, "graph", "GET", "https://graph.test/v1.0/groups");
  assert_string_equal(
      check_request(&rules, other, NULL, text),
      "undeclared: GET /v1.0/groups is refused: its URL makes another call than the one that was checked");
  request_add_call(*state, other, "GET", "/users", NULL);
  assert_non_null(strstr(check_request(&rules, other, NULL, text), "undeclared"));
  struct request *method = request_new(*state, "graph", "DELETE", "https://graph.test/v1.0/users");
  request_add_call(*state, method, "GET", "/users", NULL);
  assert_non_null(strstr(check_request(&rules, method, NULL, text), "undeclared"));
  struct request *empty = request_new(*state, "graph", "POST", "https://graph.test/v1.0/$batch");
  assert_non_null(strstr(check_request(&rules, empty, NULL, text), "undeclared"));
  free_rules(&rules);
}

static void narrowed_rights_change_nothing(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  allow(&rules, "GET", "/users/{id}", NULL);
  allow(&rules, "PATCH", "/users/{id}", NULL);
  struct rules narrow = {.peers = rules.peers, .rights = {.parent = &rules.rights}};
  struct rules narrower = {.peers = rules.peers, .rights = {.parent = &narrow.rights}};
  assert_string_equal(check_request(&narrow, new_graph_request(*state, "GET", "/users/1", NULL), NULL, text), "sent");
  assert_string_equal(check_request(&rules, new_graph_request(*state, "PATCH", "/users/1", "mail"), NULL, text),
                      "sent");
  const char *refused = "undeclared: PATCH /users/1 would change something, and tier0.lua may only read at this point";
  assert_string_equal(check_request(&narrow, new_graph_request(*state, "PATCH", "/users/1", "mail"), NULL, text),
                      refused);
  assert_string_equal(check_request(&narrower, new_graph_request(*state, "PATCH", "/users/1", "mail"), NULL, text),
                      refused);
  narrow.rights.mode = GATE_WRITE; /* narrowed rights ignore their own mode */
  assert_string_equal(check_request(&narrow, new_graph_request(*state, "PATCH", "/users/1", "mail"), NULL, text),
                      refused);
  assert_non_null(
      strstr(check_request(&narrow, new_graph_request(*state, "GET", "/groups", NULL), NULL, text), "of tier0.lua"));
  rules.rights.mode = GATE_WRITE;
  assert_string_equal(check_request(&narrow, new_graph_request(*state, "PATCH", "/users/1", "mail"), NULL, text),
                      refused);
  free_rules(&rules);
}

static void a_template_has_a_grammar(void **state) {
  (void)state;
  static const char *const good[] = {"/",
                                     "/users",
                                     "/users/{id}",
                                     "/v1/{mount}/data/{path+}",
                                     "/v1/{path+}/data",
                                     "/users/*",
                                     "/*",
                                     "/applications(uniqueName)",
                                     "/a(b='{c}')/d",
                                     "/x/$ref",
                                     "/microsoft.graph.user",
                                     "/{a-b_1}"};
  static const char *const bad[] = {
      "",          "users",      "/users/",    "//users",       "/users//x", "/users/{id", "/users/id}", "/users/a{id}",
      "/users/{}", "/users/{+}", "/users/{1}", "/users/{a b}",  "/{a+}/{b}", "/{a+}/{b+}", "/{a+}/*",    "/*/users",
      "/users/a*", "/users?x=1", "/users#x",   "/users/%2e%2e", "/../users", "/users/.",   "/a(b",       "/a\\b"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (gate_template_problem(good[i])) fail_msg("%s: %s", good[i], gate_template_problem(good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (!gate_template_problem(bad[i])) fail_msg("%s was accepted", bad[i]);
}

static void programs_and_folders_are_declared(void **state) {
  (void)state;
  char message[512];
  struct rights rights = {.owner = strdup("tier0.lua")};
  assert_true(buffer_append(&rights.programs, "tell", 5));
  assert_true(buffer_append(&rights.folders, "reports", 8));
  assert_null(gate_rules_refuse_use(&rights, GATE_USE_RUN, "tell", message, sizeof message));
  assert_null(gate_rules_refuse_use(&rights, GATE_USE_WRITE, "reports", message, sizeof message));
  assert_string_equal(gate_rules_refuse_use(&rights, GATE_USE_RUN, "reports", message, sizeof message), "undeclared");
  assert_string_equal(message, "tier0.lua may not run the program 'reports': if it is meant, add \"reports\" to "
                               "needs.run of the script");
  assert_non_null(gate_rules_refuse_use(&rights, GATE_USE_READ, "tell", message, sizeof message));
  struct rights narrow = {.parent = &rights};
  assert_null(gate_rules_refuse_use(&narrow, GATE_USE_READ, "reports", message, sizeof message));
  assert_non_null(gate_rules_refuse_use(&narrow, GATE_USE_WRITE, "reports", message, sizeof message));
  assert_non_null(gate_rules_refuse_use(&narrow, GATE_USE_RUN, "tell", message, sizeof message));
  assert_string_equal(message, "tier0.lua may not run the program 'tell', because it may only read at this point");
  rights.mode = GATE_READ;
  for (int use = GATE_USE_RUN; use <= GATE_USE_WRITE; use++)
    assert_non_null(
        gate_rules_refuse_use(&rights, (enum gate_use)use, use ? "reports" : "tell", message, sizeof message));
  assert_non_null(strstr(message, "--write lifts that"));
  rights.mode = GATE_WRITE;
  assert_null(gate_rules_refuse_use(&rights, GATE_USE_RUN, "any", message, sizeof message));
  gate_rules_free(&rights);
}

static void modes_let_undeclared_calls_through(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  rules.rights.mode = GATE_READ;
  assert_string_equal(check_request(&rules, new_graph_request(*state, "GET", "/users", NULL), NULL, text), "sent");
  assert_string_equal(check_request(&rules, new_graph_request(*state, "POST", "/users", NULL), NULL, text),
                      "undeclared: POST /users would change something, and tier0.lua may only read: --write "
                      "lifts that");
  rules.rights.mode = GATE_WRITE;
  assert_string_equal(check_request(&rules, new_graph_request(*state, "POST", "/users", NULL), NULL, text), "sent");
  free_rules(&rules);
}

static void a_request_goes_only_where_its_peer_is(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  static const char *const elsewhere[] = {"https://graph.test:8443/v1.0/users", "https://graph.evil.test/v1.0/users"};
  rules.rights.mode = GATE_WRITE;
  for (size_t i = 0; i < 2; i++) {
    struct request *request = request_new(*state, "graph", "GET", elsewhere[i]);
    request_add_call(*state, request, "GET", "/users", NULL);
    assert_non_null(strstr(check_request(&rules, request, NULL, text), "peer: GET https://graph."));
  }
  struct request *beta = request_new(*state, "graph", "GET", "https://graph.test/v1.0beta/users");
  request_add_call(*state, beta, "GET", "/users", NULL);
  assert_string_equal(check_request(&rules, beta, NULL, text),
                      "peer: GET /v1.0beta/users is refused: it is not below https://graph.test:443/v1.0, the "
                      "address of this peer in the profile");
  struct request *login = request_new(*state, "login", "GET", "https://graph.test/v1.0/users");
  request_add_call(*state, login, "GET", "/users", NULL);
  assert_string_equal(check_request(&rules, login, NULL, text),
                      "peer: GET https://graph.test:443 is refused: it is not the "
                      "address of the profile's login; the profile names none");
  free_rules(&rules);
}

static void a_call_of_beta_is_declared_as_such(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  allow(&rules, "GET", "/beta/reports/{id}", NULL);
  allow(&rules, "GET", "/users", NULL);
  struct request *beta = request_new(*state, "graph", "GET", "https://graph.test/beta/reports/x");
  request_add_call(*state, beta, "GET", "/beta/reports/x", NULL);
  assert_string_equal(check_request(&rules, beta, NULL, text), "sent");
  struct request *users = request_new(*state, "graph", "GET", "https://graph.test/beta/users");
  request_add_call(*state, users, "GET", "/beta/users", NULL);
  assert_non_null(strstr(check_request(&rules, users, NULL, text), "undeclared: "));
  struct request *disguised = request_new(*state, "graph", "GET", "https://graph.test/beta/users");
  request_add_call(*state, disguised, "GET", "/users", NULL);
  assert_string_equal(
      check_request(&rules, disguised, NULL, text),
      "undeclared: GET /beta/users is refused: its URL makes another call than the one that was checked");
  struct request *near = request_new(*state, "graph", "GET", "https://graph.test/betatest/reports/x");
  request_add_call(*state, near, "GET", "/beta/reports/x", NULL);
  assert_non_null(strstr(check_request(&rules, near, NULL, text), "peer: "));
  free_rules(&rules);
}

static void a_credential_goes_only_where_it_was_made_for(void **state) {
  char text[1200];
  struct rules rules = graph_rules();
  rules.rights.mode = GATE_WRITE;
  struct request *request = new_graph_request(*state, "GET", "/users", NULL);
  struct credential *right = credential_new(*state, "https://graph.test:443", "Authorization", "Bearer ", "x", 1);
  struct credential *wrong = credential_new(*state, "https://login.test:443", "Authorization", "Bearer ", "x", 1);
  assert_string_equal(check_request(&rules, request, right, text), "sent");
  assert_string_equal(
      check_request(&rules, request, wrong, text),
      "credential: the credential was made for https://login.test:443 and does not go to https://graph.test:443");
  free_rules(&rules);
}

static void a_peer_named_again_is_replaced(void **state) {
  (void)state;
  struct rules rules = graph_rules();
  struct peer moved = peer_at("graph", "https://graph.test:8443", "");
  assert_true(gate_peers_add(&rules.peers, &moved));
  assert_int_equal(rules.peers.count, 1);
  assert_string_equal(gate_peers_find(&rules.peers, "graph")->origin, "https://graph.test:8443");
  free_rules(&rules);
}

static const char *problem_of(const char *name, const char *origin, const char *proxy, int emulator) {
  struct peer peer = peer_at(name, origin, "");
  peer.proxy = (char *)proxy;
  return gate_peer_problem(&peer, emulator);
}

static void a_peer_of_the_profile_is_on_this_machine_only_when_it_says_so(void **state) {
  (void)state;
  struct peer peer = peer_at("vault", "https://127.0.0.1:8200", "");
  assert_non_null(gate_peer_problem(&peer, 0));
  assert_null(gate_peer_problem(&peer, 1));
  peer.is_local = 1;
  assert_null(gate_peer_problem(&peer, 0));
  peer.origin = (char *)"https://vault.test:443";
  assert_non_null(gate_peer_problem(&peer, 0));
  peer.is_local = 0;
  assert_null(gate_peer_problem(&peer, 0));
  peer.origin = (char *)"https://169.254.169.254:443";
  assert_non_null(gate_peer_problem(&peer, 0));
}

static void real_peers_are_never_on_this_machine(void **state) {
  (void)state;
  static const char *const local[] = {
      "https://127.0.0.1:443",          "https://127.9.9.9:1",     "https://[::1]:443",
      "https://localhost:443",          "https://a.localhost:443", "https://0.0.0.0:443",
      "https://[::ffff:127.0.0.1]:443", "https://[::]:443"};
  for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
    assert_non_null(problem_of("graph", local[i], NULL, 0));
    assert_null(problem_of("graph", local[i], NULL, 1));
  }
  assert_null(problem_of("graph", "https://graph.microsoft.com:443", NULL, 0));
  assert_non_null(problem_of("graph", "https://graph.microsoft.com:443", NULL, 1));
  assert_non_null(problem_of("graph", "https://[2001:db8::1]:443", NULL, 1));
}

static void identities_are_served_near_by(void **state) {
  (void)state;
  static const char *const near[] = {"http://169.254.169.254:80", "http://127.0.0.1:41741", "http://localhost:42356",
                                     "http://169.254.129.3:8081", "http://[::1]:80"};
  static const char *const far[] = {"http://169.253.169.254:80", "http://10.0.0.1:80", "http://identity.test:80",
                                    "http://169.254.169.254.evil.test:80", "http://[fe80::1]:80"};
  for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
    assert_null(problem_of("identity", near[i], NULL, 0));
    assert_non_null(problem_of("identity", near[i], "http://proxy.test:3128", 0));
    assert_non_null(problem_of("identity", far[i], NULL, 0));
    assert_non_null(problem_of("identity", far[i], NULL, 1));
  }
  assert_non_null(problem_of("identity", near[0], NULL, 1));
  assert_null(problem_of("identity", near[1], NULL, 1));
}

static void a_proxy_is_plain_http(void **state) {
  (void)state;
  const char *origin = "https://graph.microsoft.com:443";
  assert_null(problem_of("graph", origin, "http://proxy.test:3128", 0));
  assert_null(problem_of("graph", origin, "http://127.0.0.1:3128", 0));
  assert_non_null(problem_of("graph", origin, "https://proxy.test:3128", 0));
  assert_non_null(problem_of("graph", origin, "socks5://proxy.test:1080", 0));
  assert_non_null(problem_of("graph", origin, "http://user:word@proxy.test:3128", 0));
  assert_non_null(problem_of("graph", origin, "proxy.test", 0));
  assert_non_null(problem_of("graph", origin, "", 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_template_matches_the_paths_it_means),
      cmocka_unit_test(one_object_has_three_addresses_at_graph),
      cmocka_unit_test_setup_teardown(what_may_create_needs_its_key_declared, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(only_declared_calls_leave, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(a_refusal_names_the_line_to_add, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(only_declared_members_are_set, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(every_call_of_a_batch_is_checked, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(a_request_cannot_pass_as_another, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(narrowed_rights_change_nothing, open_rules_state, close_rules_state),
      cmocka_unit_test(a_template_has_a_grammar),
      cmocka_unit_test(programs_and_folders_are_declared),
      cmocka_unit_test_setup_teardown(modes_let_undeclared_calls_through, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(a_request_goes_only_where_its_peer_is, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(a_call_of_beta_is_declared_as_such, open_rules_state, close_rules_state),
      cmocka_unit_test_setup_teardown(a_credential_goes_only_where_it_was_made_for, open_rules_state,
                                      close_rules_state),
      cmocka_unit_test(a_peer_named_again_is_replaced),
      cmocka_unit_test(real_peers_are_never_on_this_machine),
      cmocka_unit_test(a_peer_of_the_profile_is_on_this_machine_only_when_it_says_so),
      cmocka_unit_test(identities_are_served_near_by),
      cmocka_unit_test(a_proxy_is_plain_http),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
