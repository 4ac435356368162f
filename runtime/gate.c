/* host.gate: every request, program and file of a script passes the gate. What may pass is fixed when the door is
 * sealed. With Lua: gate_door.c, gate_rights.c, gate_transfer.c, gate_run.c, gate_folder.c, gate_record.c. Without
 * Lua: gate_peer.c, gate_rules.c, gate_secrets.c, gate_template.c, gate_named.c, gate_budget.c. */
#include "gate_internal.h"

int luaopen_host_gate(lua_State *L);

/* gate.template(text) -> true | nil, why: is the text a path template as `needs` allows? */
static int gate_template(lua_State *L) {
  const char *problem = gate_template_problem(lib_checktext(L, 1));
  if (problem) return lib_fail(L, "%s", problem);
  lua_pushboolean(L, 1);
  return 1;
}

int luaopen_host_gate(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"door", gate_door}, {"answer", answer_from_lua}, {"template", gate_template}, {NULL, NULL}};
  request_types(L);
  gate_door_type(L);
  gate_rights_type(L);
  gate_transfer_type(L);
  luaL_newlib(L, functions);
  return 1;
}
