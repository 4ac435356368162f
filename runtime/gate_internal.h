/* Inside of the gate: what gate*.c share. */
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

int gate_slice_same(struct slice a, struct slice b);

/* Cut what stands before any of the stops off the front of *rest; *rest then begins with the stop. */
struct slice gate_slice_cut(const char **rest, const char *stops);

/* Is this a template as `needs` has them? NULL, or why not. "{name}" stands for one segment, "{name+}" for one or
 * more, "(key)" for an object found by that key, "*" at the end for everything below. */
const char *gate_template_refuse(const char *text);

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

/* Does the path fit the template? */
int gate_template_match(const char *text, const char *path, enum gate_forms forms);

/* Append the template that the path fits: "/users/a@b.c/x(key='v')" becomes "/users/{id}/x(key)". Memory that is
 * out shortens it. */
void gate_template_suggest(struct buffer *out, const char *path);

/* ---- where requests may go (gate_peer.c) ---- */

/* Where requests of one name may go. */
struct peer {
  char *name;
  char *origin;
  char *base; /* the path that calls are relative to, without a slash at its end */
  char *ca;
  char *proxy;
  int lenient; /* as in struct http_peer */
};

struct peers {
  struct peer *list;
  size_t count;
};

void gate_peers_free(struct peers *peers);

/* Copy a peer in; a peer of the same name is replaced. 0 when memory is out. */
int gate_peers_add(struct peers *peers, const struct peer *peer);

/* The peer of that name, or NULL. */
const struct peer *gate_peers_find(const struct peers *peers, const char *name);

/* May the peer of this name be at this origin, by way of this proxy (or NULL)? NULL, or why not. */
const char *gate_peer_refuse(const char *name, const char *origin, const char *proxy, int emulator);

/* A copy of text that may be NULL; *ok turns 0 when memory is out. */
char *gate_copy(const char *text, int *ok);

/* ---- programs and folders by the names the profile gives them (gate_named.c) ---- */

/* A program (its words: path and first arguments) or a folder (its path). */
struct named {
  char *name;
  struct buffer texts; /* each ends with NUL */
};

struct named_list {
  struct named *list;
  size_t count;
};

void gate_named_free(struct named_list *names);

/* A new entry of that name without texts; NULL when memory is out. */
struct named *gate_named_add(struct named_list *names, const char *name);

/* The entry of that name, or NULL. */
const struct named *gate_named_find(const struct named_list *names, const char *name);

/* Is it a name: letters, digits, "-" and "_", at most 64 of them? */
int gate_named_is_name(const char *text);

/* ---- what one script may do (gate_rules.c) ---- */

/* One call that was declared. The lists are separated by commas, or NULL. */
struct rule {
  char *peer;
  char *method;
  char *path;    /* template: "/applications/{id}/addPassword" */
  char *members; /* top-level members that the body may have; NULL: any */
  char *secrets; /* places in the body that may hold a secret: "data.password", "data.*" */
  char *answers; /* places in the answer that come back as secrets */
};

enum gate_mode { GATE_DECLARED, GATE_READ, GATE_WRITE };

/* What the code of one script file may do. A narrowed one may do what its parent may, as long as nothing changes. */
struct rights {
  const struct rights *parent; /* that it was narrowed from, and is anchored by it; NULL for none */
  const struct door *door;     /* that it was made by, and is anchored by it */
  char *owner;                 /* the script file, for people */
  struct rule *rules;
  size_t count;
  struct buffer programs, folders; /* names; each ends with NUL */
  enum gate_mode mode;
};

void gate_rights_free(struct rights *rights);

/* Copy a rule in. 0 when memory is out. */
int gate_rights_add(struct rights *rights, const struct rule *rule);

/* May this request leave, with this credential (or NULL)? NULL, or the kind of
 * refusal ("peer", "undeclared", "secret", "credential", "memory") and a sentence in message. */
const char *gate_rights_refuse(const struct rights *rights, const struct peers *peers, const struct request *request,
                               const struct credential *credential, char *message, size_t size);

/* May the secrets in the body of this call stand where they do? declared: the places that the call's
 * rule declares, comma-separated ("data.*,token"), or NULL; they count for peers that gate_secrets.c
 * knows no places of. NULL, or "secret" and a sentence in message. */
const char *gate_secrets_refuse(const char *peer, const struct call *call, const char *declared, char *message,
                                size_t size);

/* The script file whose rights they are, as it is called for people. */
const char *gate_rights_owner_of(const struct rights *rights);

/* The rule by which this call to the peer is allowed; NULL when the mode alone allows it, or nothing does. */
const struct rule *gate_rights_rule(const struct rights *rights, const char *peer, const struct call *call);

enum gate_use { GATE_RUN, GATE_LOOK, GATE_PUT }; /* run a program; read a folder; write to it */

/* May it use the program or folder of this name so? NULL, or "undeclared" and a sentence in message. */
const char *gate_rights_refuse_use(const struct rights *rights, enum gate_use use, const char *name, char *message,
                                   size_t size);

/* The rights at this index, which were made by this door; raises an argument error if they are none. */
const struct rights *gate_rights_check(lua_State *L, int index, const struct door *door);

/* door:rights(owner, mode) -> rights (gate_rights.c) */
int gate_door_rights(lua_State *L);
void gate_rights_type(lua_State *L);

/* ---- the door (gate_door.c) ---- */

struct passage; /* a transfer as Lua has it (gate_transfer.c) */

struct door {
  struct peers peers;
  struct named_list programs, folders;
  struct http *http; /* opened when first needed */
  struct passage *queue;
  struct passage **tail; /* where the next one is queued */
  lua_Integer count;     /* queued or in flight */
  int open;
  int sealed; /* peers, programs, folders and rights are final */
  int emulator;
  struct journal *journal; /* anchored; NULL for none */
  struct budget *budget;   /* of changes at Graph; its clock is anchored. NULL: no limit */
  int unsaved;             /* something was recorded since the last commit */
};

/* The open door at index 1; raises an argument error if it is none. */
struct door *gate_door_check(lua_State *L);

/* The same before it is sealed; raises when it is. */
struct door *gate_door_unsealed(lua_State *L);

/* Append the record on top of the stack to the journal. NULL, or why not. [-1, +0, -] */
const char *gate_door_record(lua_State *L, struct door *door, const char *kind);

/* Make durable what is on record. NULL, or why not. */
const char *gate_door_commit(struct door *door);

/* A new id for a record: 16 hexadecimal digits and a NUL. [-0, +0, e] */
void gate_door_id(lua_State *L, char id[17]);

/* Abandon every unfinished transfer; they are the light userdata keys of the table at index 2. [-0, +0, m] */
void gate_door_abandon_all(lua_State *L, struct door *door);

/* Functions of a door that stand in gate_transfer.c, gate_run.c and gate_folder.c. */
int gate_door_submit(lua_State *L);
int gate_door_flush(lua_State *L);
int gate_door_poll(lua_State *L);
int gate_door_running(lua_State *L);
int gate_door_run(lua_State *L);
int gate_door_ran(lua_State *L);
int gate_door_write(lua_State *L);
int gate_door_read(lua_State *L);
int gate_door_list(lua_State *L);

/* gate.door(kind, journal) -> door */
int gate_door(lua_State *L);
void gate_door_type(lua_State *L);
void gate_passage_type(lua_State *L);

/* ---- the write budget (gate_budget.c) ---- */

struct budget;
struct clock;

/* At most count changes in so many seconds, shared through the file. NULL, with
 * fail and a message pushed, when the file cannot be used. The clock, an
 * emulator's or NULL, has to live as long. [-0, +0|+2|+3, m] */
struct budget *gate_budget_open(lua_State *L, const char *path, double count, double seconds,
                                const struct clock *clock);
void gate_budget_close(struct budget *budget);

/* Seconds until this request may leave; 0: now, and its moment is used up. It
 * keeps its place in the queue between two calls. */
double gate_budget_wait(struct budget *budget, struct request *request);

/* Changes a second, and seconds of changes that already wait for their moment. */
double gate_budget_rate(const struct budget *budget);
double gate_budget_ahead(const struct budget *budget);

/* ---- what goes on record (gate_record.c) ---- */

/* Each pushes an audit record, a JSON object, redacted. Texts may be NULL. [-0, +1, m] */
void gate_record_request(lua_State *L, const char *id, const struct request *request, const char *script,
                         const char *note);
void gate_record_answer(lua_State *L, const char *id, const struct answer *answer);
void gate_record_failure(lua_State *L, const char *id, const char *kind, int maybe_sent);
void gate_record_run(lua_State *L, const char *id, const char *name, const char *program, const char *script,
                     const char *note);
void gate_record_ran(lua_State *L, const char *id, long status);
void gate_record_file(lua_State *L, const char *folder, const char *file, const char *script, const char *note);

#endif
