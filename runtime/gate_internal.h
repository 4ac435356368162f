/* Declarations that the files gate*.c share. */
#ifndef GATE_INTERNAL_H
#define GATE_INTERNAL_H

#include "http.h"

#define GATE_DOOR "host.gate.door"
#define GATE_RIGHTS "host.gate.rights"
#define GATE_TRANSFER "host.gate.transfer"

/* ---- slices of text and templates of paths (gate_template.c) ---- */

struct slice {
  const char *at;
  size_t length;
};

int gate_slice_equal(struct slice a, struct slice b);

/* Return the characters of *rest before the first of the stops, and move *rest on to this stop. */
struct slice gate_slice_cut(const char **rest, const char *stops);

/* Return why text is not a path template of `needs`, or NULL. "{name}" stands for one segment, "{name+}" for one or
 * more, "(key)" for an object found by that key, "*" at the end for all paths below. */
const char *gate_template_problem(const char *text);

/* How a path may name one object where the template says "name/{id}". OData has three forms for it (OASIS OData 4.01
 * URL Conventions, 4.3; Microsoft Graph: "Get user", "Upsert application"). */
enum gate_forms {
  GATE_AS_WRITTEN, /* name/value only */
  GATE_QUOTED,     /* name('value') besides */
  GATE_KEYED,      /* name(key='value') besides */
};

/* The forms for calls of this method at this peer. Only Graph speaks OData. PATCH and PUT with a key may create the
 * object, so a template with an id does not stand for them. */
enum gate_forms gate_template_forms(const char *peer, const char *method);

/* Does the path match the template? */
int gate_template_match(const char *text, const char *path, enum gate_forms forms);

/* Append a template that the path matches: "/users/a@b.c/x(key='v')" becomes "/users/{id}/x(key)". When memory is
 * out, the template is cut. */
void gate_template_suggest(struct buffer *out, const char *path);

/* ---- peers: where requests may go (gate_peer.c) ---- */

/* A peer: an HTTPS service that the profile names. */
struct peer {
  char *name;
  char *origin;
  char *base; /* path that the paths of calls are relative to, without a slash at its end */
  char *ca;
  char *proxy;
  int lenient;   /* as in struct http_peer */
  int is_local;  /* 1: a program on this machine, which a real profile names */
  int is_secret; /* 1: the address is a secret: base is the whole path, and no text shows it */
};

struct peers {
  struct peer *list;
  size_t count;
};

void gate_peers_free(struct peers *peers);

/* Add a copy of the peer; a peer of the same name is replaced. 0 when memory is out. */
int gate_peers_add(struct peers *peers, const struct peer *peer);

/* Return the peer of that name, or NULL. */
const struct peer *gate_peers_find(const struct peers *peers, const char *name);

/* Return why the peer may not be at its origin, reached through its proxy (or NULL); NULL when it may be. */
const char *gate_peer_problem(const struct peer *peer, int emulator);

/* Return a copy of text, which may be NULL; *ok becomes 0 when memory is out. */
char *gate_peer_copy_text(const char *text, int *ok);

/* ---- programs and folders by the names the profile gives them (gate_named.c) ---- */

/* A program (texts: its path and first arguments) or a folder (texts: its path). */
struct named {
  char *name;
  struct buffer texts; /* NUL-terminated */
};

struct named_list {
  struct named *list;
  size_t count;
};

void gate_named_free(struct named_list *names);

/* Add an entry of that name without texts, and return it; NULL when memory is out. */
struct named *gate_named_add(struct named_list *names, const char *name);

/* Return the entry of that name, or NULL. */
const struct named *gate_named_find(const struct named_list *names, const char *name);

/* Is text a valid name of a program or folder: 1 to 64 letters, digits, "-" and "_"? */
int gate_named_is_valid(const char *text);

/* ---- what one script may do (gate_rules.c) ---- */

/* One declared call. The lists are separated by commas; NULL when nothing was declared. */
struct rule {
  char *peer;
  char *method;
  char *path;    /* template: "/applications/{id}/addPassword" */
  char *members; /* top-level members that the body may have; NULL: any */
  char *secrets; /* places in the body that may hold a secret: "data.password", "data.*" */
  char *answers; /* places in the answer that come back as secrets */
};

enum gate_mode { GATE_DECLARED, GATE_READ, GATE_WRITE };

/* The rights of one script file: the calls, programs and folders that its code may use. Narrowed rights allow what
 * their parent allows, except changes. */
struct rights {
  const struct rights *parent; /* the rights that these were narrowed from, which user value 1 anchors; NULL for none */
  const struct door *door;     /* the door that made the rights, anchored by user value 1 */
  char *owner;                 /* name of the script file, for messages and records */
  struct rule *rules;
  size_t count;
  struct buffer programs, folders; /* NUL-terminated names */
  enum gate_mode mode;
};

void gate_rules_free(struct rights *rights);

/* Add a copy of the rule. 0 when memory is out. */
int gate_rules_add(struct rights *rights, const struct rule *rule);

/* Return NULL when the rights allow the request with this credential (or NULL); else the kind of refusal ("peer",
 * "undeclared", "secret", "credential", "memory"), and a sentence in message. */
const char *gate_rules_refuse(const struct rights *rights, const struct peers *peers, const struct request *request,
                              const struct credential *credential, char *message, size_t size);

/* Return NULL when each secret in the body of the call is at a place that may hold a secret; else "secret", and a
 * sentence in message. declared: the places that the call's rule declares, comma-separated ("data.*,token"), or NULL;
 * they count for peers whose places gate_secrets.c does not list. */
const char *gate_secrets_refuse(const char *peer, const struct call *call, const char *declared, char *message,
                                size_t size);

/* Return the name of the script file that the rights belong to. */
const char *gate_rules_owner(const struct rights *rights);

/* Return the rule that allows this call to the peer; NULL when the mode alone allows the call, or nothing does. */
const struct rule *gate_rules_find(const struct rights *rights, const char *peer, const struct call *call);

enum gate_use { GATE_USE_RUN, GATE_USE_READ, GATE_USE_WRITE }; /* run a program; read a folder; write to a folder */

/* May the script use the program or folder of this name in this way? NULL, or "undeclared" and a sentence in
 * message. */
const char *gate_rules_refuse_use(const struct rights *rights, enum gate_use use, const char *name, char *message,
                                  size_t size);

/* Return the rights at index; raise an argument error when they are closed or another door made them. */
const struct rights *gate_rights_check(lua_State *L, int index, const struct door *door);

/* door:rights(owner, mode) -> rights (gate_rights.c) */
int gate_rights_new(lua_State *L);
void gate_rights_type(lua_State *L);

/* ---- the door (gate_door.c) ---- */

struct gate_transfer; /* a transfer as Lua sees it (gate_transfer.c) */

struct door {
  struct peers peers;
  struct named_list programs, folders;
  struct http *http; /* opened before the first request */
  struct gate_transfer *queue;
  struct gate_transfer **tail; /* where the next transfer is linked */
  lua_Integer count;           /* transfers that are queued or in flight */
  int open;
  int sealed; /* 1: peers, programs, folders and rights are final */
  int emulator;
  struct journal *journal;                  /* anchored by user value 1; NULL for none */
  const struct secret *proxy_authorization; /* anchored by user value 1; NULL for none */
  struct budget *budget;                    /* the limit of changes at Graph; NULL: no limit. Its clock is anchored. */
  int unsaved;                              /* 1: something was recorded since the last commit */
};

/* Return the open door at index 1; raise an argument error when it is closed. */
struct door *gate_door_check(lua_State *L);

/* Return the open door at index 1; raise an error when it is sealed. */
struct door *gate_door_check_unsealed(lua_State *L);

/* Append the record on top of the stack to the journal. Returns NULL, or why it failed. [-1, +0, -] */
const char *gate_door_record(lua_State *L, struct door *door, const char *kind);

/* Make all records durable. Returns NULL, or why it failed. */
const char *gate_door_commit(struct door *door);

/* Make a random id for a record: 16 hexadecimal digits and a NUL. [-0, +0, e] */
void gate_door_new_record_id(lua_State *L, char id[17]);

/* Abandon every unfinished transfer of the door; the table at index 2 has them as light userdata keys. [-0, +0, m] */
void gate_transfer_abandon_all(lua_State *L, struct door *door);

/* Methods of a door in gate_transfer.c, gate_run.c and gate_folder.c. */
int gate_transfer_submit(lua_State *L);
int gate_transfer_flush(lua_State *L);
int gate_transfer_poll(lua_State *L);
int gate_transfer_count(lua_State *L);
int gate_run_start(lua_State *L);
int gate_run_record_end(lua_State *L);
int gate_folder_write(lua_State *L);
int gate_folder_read(lua_State *L);
int gate_folder_list(lua_State *L);

/* gate.door(kind, journal) -> door */
int gate_door(lua_State *L);
void gate_door_type(lua_State *L);
void gate_transfer_type(lua_State *L);

/* ---- the write budget (gate_budget.c) ---- */

struct budget;
struct clock;

/* Open the write budget: at most count changes in so many seconds, shared by all processes through the file. NULL,
 * with nil and a message pushed, when the file cannot be used. The clock (an emulator's, or NULL) has to outlive the
 * budget. [-0, +0|+2|+3, m] */
struct budget *gate_budget_open(lua_State *L, const char *path, double count, double seconds,
                                const struct clock *clock);
void gate_budget_close(struct budget *budget);

/* Return the seconds until this request may leave; 0: it may leave now. The request keeps its moment from the first
 * call until 0 is returned. */
double gate_budget_wait(struct budget *budget, struct request *request);

/* Return the changes per second that the budget allows; and for how many seconds the changes that wait already use up
 * the budget. */
double gate_budget_rate(const struct budget *budget);
double gate_budget_backlog(const struct budget *budget);

/* ---- audit records (gate_record.c) ---- */

/* Each function pushes an audit record: a JSON object, redacted. Texts may be NULL. [-0, +1, m] */
void gate_record_request(lua_State *L, const char *id, const struct request *request, const char *script,
                         const char *note);
void gate_record_answer(lua_State *L, const char *id, const struct answer *answer);
void gate_record_failure(lua_State *L, const char *id, const char *kind, int maybe_sent);
void gate_record_program_start(lua_State *L, const char *id, const char *name, const char *program, const char *script,
                               const char *note);
void gate_record_program_end(lua_State *L, const char *id, long status);
void gate_record_file(lua_State *L, const char *folder, const char *file, const char *script, const char *note);

#endif
