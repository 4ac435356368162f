/* host.gate: the one door to what is outside. Every request, program and file of a script passes here; what may pass
 * is fixed when the door is sealed. The parts: gate_door.c, gate_rights.c, gate_transfer.c, gate_run.c, gate_folder.c;
 * without Lua gate_peer.c, gate_rules.c, gate_template.c, gate_named.c, gate_budget.c; gate_record.c says what goes on
 * record. */
#include "gate_internal.h"

int luaopen_host_gate(lua_State *L);

/* gate.template(text) -> true | nil, why: is it the path of a call as `needs` has it? */
static int gate_template(lua_State *L) {
  const char *why = gate_template_refuse(lib_checktext(L, 1));
  if (why) return lib_fail(L, "%s", why);
  lua_pushboolean(L, 1);
  return 1;
}

int luaopen_host_gate(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"door", gate_door}, {"answer", answer_from_lua}, {"template", gate_template}, {NULL, NULL}};
  request_types(L);
  gate_door_type(L);
  gate_rights_type(L);
  gate_passage_type(L);
  luaL_newlib(L, functions);
  return 1;
}
