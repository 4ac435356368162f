/* Programs that the profile names, run for a script: check the rights, record the start, start the program; later
 * record how it ended. */
#include "gate_internal.h"

#include "journal.h"
#include "process.h"

#include <string.h>

#define MAX_INPUT_BYTES ((size_t)64 << 10) /* the capacity of a pipe, so that writing does not block */

/* Push a list: the program's words, then the arguments in the table at index. [-0, +1, e] */
static void push_program_command_line(lua_State *L, const struct named *program, int index) {
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

/* Return the program's input from the argument at index: a secret, or the bytes of a string in *text; NULL for none. */
static const struct secret *check_program_input(lua_State *L, int index, struct secret *text) {
  const struct secret *input = secret_test(L, index);
  if (!input && !lua_isnoneornil(L, index)) {
    text->bytes = (char *)luaL_checklstring(L, index, &text->length);
    input = text;
  }
  luaL_argcheck(L, !input || input->length <= MAX_INPUT_BYTES, index, "an input is 64 KiB at most");
  return input;
}

/* Record durably that the program is started. Returns NULL, or why it failed. */
static const char *record_program_start(lua_State *L, struct door *door, const char *id, const struct named *program,
                                        const struct rights *rights, const char *note) {
  if (!door->journal) return "this door was opened without a journal";
  gate_record_program_start(L, id, program->name, buffer_next_text(&program->texts, NULL), gate_rules_owner(rights),
                            note);
  const char *failure = gate_door_record(L, door, "run.start");
  return failure ? failure : gate_door_commit(door);
}

/* door:run(rights, name, arguments, input, note) -> child, id | nil, message, kind */
int gate_run_start(lua_State *L) {
  char message[512], id[17];
  struct secret text = {0};
  struct door *door = gate_door_check(L);
  const struct rights *rights = gate_rights_check(L, 2, door);
  const char *name = lib_checktext(L, 3);
  luaL_checktype(L, 4, LUA_TTABLE);
  const struct secret *input = check_program_input(L, 5, &text);
  const char *note = lib_opttext(L, 6);
  luaL_argcheck(L, door->sealed, 1, "door is not sealed yet");
  lua_settop(L, 6);

  const char *kind = gate_rules_refuse_use(rights, GATE_USE_RUN, name, message, sizeof message);
  if (kind) return lib_fail_kind(L, kind, "%s", message);
  const struct named *program = gate_named_find(&door->programs, name);
  if (!program) return lib_fail_kind(L, "missing", "the profile names no program '%s'", name);
  push_program_command_line(L, program, 4);
  gate_door_new_record_id(L, id);
  const char *failure = record_program_start(L, door, id, program, rights, note);
  if (failure)
    return lib_fail_kind(L, "journal", "the program '%s' was not started, because its start could not be recorded: %s",
                         name, failure);
  if (process_start_child(L, 7, input, 0) != 1) {
    lua_pushliteral(L, "start");
    return 3;
  }
  lua_pushstring(L, id);
  return 2;
}

/* door:ran(id, status) -> true | nil, message. Record how a program ended. */
int gate_run_record_end(lua_State *L) {
  struct door *door = gate_door_check(L);
  const char *id = lib_checktext(L, 2);
  lua_Integer status = luaL_checkinteger(L, 3);
  if (!door->journal) return lib_fail(L, "this door was opened without a journal");
  gate_record_program_end(L, id, (long)status);
  const char *failure = gate_door_record(L, door, status == 0 ? "run.done" : "run.failed");
  if (!failure) failure = gate_door_commit(door);
  if (failure) return lib_fail(L, "%s", failure);
  lua_pushboolean(L, 1);
  return 1;
}
