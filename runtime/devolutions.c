#include <lua.h>
int luaopen_host_devolutions(lua_State *L);
int luaopen_host_devolutions(lua_State *L) {
  lua_newtable(L);
  return 1;
}
