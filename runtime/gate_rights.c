/* host.gate.rights: the rights of one script, as a Lua object. Rights can be added until their door is sealed; from
 * then on they can only be narrowed. gate_rules.c decides by them.
 *
 * Ownership: rights own their rules. User value 1 anchors the object that their pointers lead to: the parent of
 * narrowed rights, the door of others.
 */
#include "gate_internal.h"

#include <string.h>

/* Return the rights at index; raise an argument error when they, or the rights that they were narrowed from, are
 * closed. */
static struct rights *check_open_rights(lua_State *L, int index) {
  struct rights *rights = lib_check(L, index, GATE_RIGHTS);
  luaL_argcheck(L, gate_rules_owner(rights), index, "rights are closed");
  return rights;
}

const struct rights *gate_rights_check(lua_State *L, int index, const struct door *door) {
  const struct rights *rights = check_open_rights(L, index);
  luaL_argcheck(L, rights->door == door, index, "rights of another door");
  return rights;
}

/* Return the rights at index 1; raise an error when no rights can be added to them. */
static struct rights *check_extensible_rights(lua_State *L) {
  struct rights *rights = check_open_rights(L, 1);
  if (rights->parent) luaL_error(L, "nothing can be added to narrowed rights");
  if (rights->door->sealed) luaL_error(L, "the door is sealed: its rights can only be narrowed");
  return rights;
}

/* rights:allow(peer, method, template, members, secrets, answers) */
static int rights_allow(lua_State *L) {
  struct rights *rights = check_extensible_rights(L);
  struct rule rule = {(char *)lib_checktext(L, 2), (char *)lib_checktext(L, 3), (char *)lib_checktext(L, 4),
                      (char *)lib_opttext(L, 5),   (char *)lib_opttext(L, 6),   (char *)lib_opttext(L, 7)};
  const char *problem = gate_template_problem(rule.path);
  luaL_argcheck(L, !problem, 4, problem);
  for (int i = 5; i <= 7; i++) {
    const char *list = lua_tostring(L, i);
    luaL_argcheck(L, !list || !strpbrk(list, " \t"), i, "a list is separated by commas only");
  }
  if (!gate_rules_add(rights, &rule)) return lib_no_memory(L);
  return 0;
}

/* Add the name at index 2 to the list of names; raise an error when the door does not know it. */
static int add_named_right(lua_State *L, struct buffer *names, const struct named_list *known, const char *noun) {
  const char *name = lib_checktext(L, 2);
  if (!gate_named_find(known, name)) return luaL_error(L, "the door has no %s '%s'", noun, name);
  buffer_add(L, names, name, strlen(name) + 1);
  return 0;
}

/* rights:program(name) */
static int rights_program(lua_State *L) {
  struct rights *rights = check_extensible_rights(L);
  return add_named_right(L, &rights->programs, &rights->door->programs, "program");
}

/* rights:folder(name) */
static int rights_folder(lua_State *L) {
  struct rights *rights = check_extensible_rights(L);
  return add_named_right(L, &rights->folders, &rights->door->folders, "folder");
}

/* rights:narrow("read") -> rights */
static int rights_narrow(lua_State *L) {
  static const char *const modes[] = {"read", NULL};
  const struct rights *parent = check_open_rights(L, 1);
  luaL_checkoption(L, 2, NULL, modes);
  lua_settop(L, 1);
  struct rights *rights = lib_new(L, sizeof *rights, GATE_RIGHTS);
  rights->parent = parent;
  rights->door = parent->door;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, 1);
  return 1;
}

/* rights:owner() -> text */
static int rights_owner(lua_State *L) {
  lua_pushstring(L, gate_rules_owner(check_open_rights(L, 1)));
  return 1;
}

/* door:rights(owner, mode) -> rights */
int gate_rights_new(lua_State *L) {
  static const char *const modes[] = {"declared", "read", "write", NULL}; /* as in enum gate_mode */
  const struct door *door = gate_door_check_unsealed(L);
  const char *owner = lib_checktext(L, 2);
  enum gate_mode mode = (enum gate_mode)luaL_checkoption(L, 3, "declared", modes);
  int ok = 1;
  lua_settop(L, 3);
  struct rights *rights = lib_new(L, sizeof *rights, GATE_RIGHTS);
  rights->door = door;
  rights->mode = mode;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 4, 1);
  rights->owner = gate_peer_copy_text(owner, &ok);
  if (!ok) return lib_no_memory(L);
  return 1;
}

/* rights:close(), __close and __gc. Rights that were narrowed from these allow nothing any more. */
static int rights_close(lua_State *L) {
  gate_rules_free(lib_check(L, 1, GATE_RIGHTS));
  return 0;
}

void gate_rights_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"allow", rights_allow},
                                     {"program", rights_program},
                                     {"folder", rights_folder},
                                     {"narrow", rights_narrow},
                                     {"owner", rights_owner},
                                     {"close", rights_close},
                                     {NULL, NULL}};
  lib_type(L, GATE_RIGHTS, methods, rights_close);
}
