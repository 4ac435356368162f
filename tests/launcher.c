/* Run busted specs inside the product's own Lua state: every native module can be required by its name, the library
 * is read from the source tree, and busted comes from the system. Test only. */
#include "client.h"
#include "state.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char prologue[] = "local source, arch, specs = ...\n"
                               "package.path = source .. '/stdlib/?.lua;' .. source .. '/tests/?.lua;'\n"
                               "  .. '/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua'\n"
                               "package.cpath = '/usr/lib/' .. arch .. '/lua/5.4/?.so'\n"
                               "_G.SOURCE = source\n"
                               "require 'lfs'\n"
                               "require('busted.runner')({ standalone = false })\n";

static int run_busted(lua_State *L) {
  int count = (int)lua_tointeger(L, 1);
  char **arguments = lua_touserdata(L, 2);
  luaL_openlibs(L);
  state_preload(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_client);
  lua_setfield(L, -2, "client");
  lua_pop(L, 1);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, arguments[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setglobal(L, "arg");
  if (luaL_loadbufferx(L, prologue, sizeof prologue - 1, "=launcher", "t") != LUA_OK) return lua_error(L);
  lua_pushliteral(L, MOONLATCH_SOURCE);
  lua_pushliteral(L, MOONLATCH_ARCH);
  lua_call(L, 2, 0);
  return 0;
}

/* Leave the terminal that the tests were started in: the program under test would show its prompts there. */
static void leave_terminal(void) {
  int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return;
  ioctl(fd, TIOCNOTTY);
  close(fd);
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  if (!L) return 1;
  signal(SIGPIPE, SIG_IGN);
  leave_terminal();
  lua_pushcfunction(L, run_busted);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  int status = lua_pcall(L, 2, 0, 0);
  if (status != LUA_OK) fprintf(stderr, "launcher: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return status == LUA_OK ? 0 : 1;
}
