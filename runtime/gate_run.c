/* Programs that the profile names, run for a script: may it, on record, started; how it ended on record. */
#include "gate_internal.h"

#include "journal.h"
#include "process.h"

#include <string.h>

#define MOST_INPUT ((size_t)64 << 10) /* what a pipe takes without anybody reading */

/* Push the program's words, and after them the arguments in the table at index. [-0, +1, e] */
static void push_words(lua_State *L, const struct named *program, int index) {
  lua_Integer count = 0, more = luaL_len(L, index);
  lua_newtable(L);
  for (const char *word = buffer_next_text(&program->texts, NULL); word;
       word = buffer_next_text(&program->texts, word)) {
    lua_pushstring(L, word);
    lua_rawseti(L, -2, ++count);
  }
  for (lua_Integer i = 1; i <= more; i++) {
    lua_geti(L, index, i);
    lua_rawseti(L, -2, ++count);
  }
}

/* What is to be its input at index: a secret, or the bytes of a text in *text; NULL for none. */
static const struct secret *input_at(lua_State *L, int index, struct secret *text) {
  const struct secret *given = secret_test(L, index);
  if (!given && !lua_isnoneornil(L, index)) {
    text->bytes = (char *)luaL_checklstring(L, index, &text->length);
    given = text;
  }
  luaL_argcheck(L, !given || given->length <= MOST_INPUT, index, "an input is 64 KiB at most");
  return given;
}

/* On record and durable that it is run. NULL, or why not. */
static const char *record_start(lua_State *L, struct door *door, const char *id, const struct named *program,
                                const struct rights *rights, const char *note) {
  if (!door->journal) return "this door was opened without a journal";
  gate_record_run(L, id, program->name, buffer_next_text(&program->texts, NULL), gate_rights_owner_of(rights), note);
  const char *failure = gate_door_record(L, door, "run.start");
  return failure ? failure : gate_door_commit(door);
}

/* door:run(rights, name, arguments, input, note) -> child, id | nil, message, kind */
int gate_door_run(lua_State *L) {
  char message[512], id[17];
  struct secret text = {0};
  struct door *door = gate_door_check(L);
  const struct rights *rights = gate_rights_check(L, 2, door);
  const char *name = lib_checktext(L, 3);
  luaL_checktype(L, 4, LUA_TTABLE);
  const struct secret *input = input_at(L, 5, &text);
  const char *note = lib_opttext(L, 6);
  luaL_argcheck(L, door->sealed, 1, "door is not sealed yet");
  lua_settop(L, 6);

  const char *kind = gate_rights_refuse_use(rights, GATE_RUN, name, message, sizeof message);
  if (kind) return lib_fail_kind(L, kind, "%s", message);
  const struct named *program = gate_named_find(&door->programs, name);
  if (!program) return lib_fail_kind(L, "missing", "the profile names no program '%s'", name);
  push_words(L, program, 4);
  gate_door_id(L, id);
  const char *failure = record_start(L, door, id, program, rights, note);
  if (failure)
    return lib_fail_kind(L, "journal", "'%s' was not run, because it could not be put on record: %s", name, failure);
  if (process_run(L, 7, input, 0) != 1) {
    lua_pushliteral(L, "start");
    return 3;
  }
  lua_pushstring(L, id);
  return 2;
}

/* door:ran(id, status) -> true | nil, message. On record how a program ended. */
int gate_door_ran(lua_State *L) {
  struct door *door = gate_door_check(L);
  const char *id = lib_checktext(L, 2);
  lua_Integer status = luaL_checkinteger(L, 3);
  if (!door->journal) return lib_fail(L, "this door was opened without a journal");
  gate_record_ran(L, id, (long)status);
  const char *failure = gate_door_record(L, door, status == 0 ? "run.done" : "run.failed");
  if (!failure) failure = gate_door_commit(door);
  if (failure) return lib_fail(L, "%s", failure);
  lua_pushboolean(L, 1);
  return 1;
}
