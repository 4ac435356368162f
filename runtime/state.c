/* The Lua state: which libraries are open, which native modules exist, and where Lua files are found. The working
 * directory is never searched. */
#include "state.h"

#include "embed.h"
#include "lib.h"
#include "secret.h"
#include "sys.h"

#include <lualib.h>
#include <string.h>

int luaopen_host_crypto(lua_State *L);
int luaopen_host_devolutions(lua_State *L);
int luaopen_host_edit(lua_State *L);
int luaopen_host_gate(lua_State *L);
int luaopen_host_graph(lua_State *L);
int luaopen_host_httpd(lua_State *L);
int luaopen_host_journal(lua_State *L);
int luaopen_host_json(lua_State *L);
int luaopen_host_oauth(lua_State *L);
int luaopen_host_peer(lua_State *L);
int luaopen_host_process(lua_State *L);
int luaopen_host_secret(lua_State *L);
int luaopen_host_sys(lua_State *L);
int luaopen_host_term(lua_State *L);

/* All native modules. They are preloaded, not opened: a module that nobody requires costs nothing. */
static const luaL_Reg native_modules[] = {
    {"host.crypto", luaopen_host_crypto},
    {"host.devolutions", luaopen_host_devolutions},
    {"host.edit", luaopen_host_edit},
    {"host.gate", luaopen_host_gate},
    {"host.graph", luaopen_host_graph},
    {"host.httpd", luaopen_host_httpd},
    {"host.journal", luaopen_host_journal},
    {"host.json", luaopen_host_json},
    {"host.oauth", luaopen_host_oauth},
    {"host.peer", luaopen_host_peer},
    {"host.process", luaopen_host_process},
    {"host.secret", luaopen_host_secret},
    {"host.sys", luaopen_host_sys},
    {"host.term", luaopen_host_term},
    {NULL, NULL},
};

static const luaL_Reg standard_libraries[] = {
    {LUA_GNAME, luaopen_base},          {LUA_COLIBNAME, luaopen_coroutine}, {LUA_DBLIBNAME, luaopen_debug},
    {LUA_LOADLIBNAME, luaopen_package}, {LUA_MATHLIBNAME, luaopen_math},    {LUA_STRLIBNAME, luaopen_string},
    {LUA_TABLIBNAME, luaopen_table},    {LUA_UTF8LIBNAME, luaopen_utf8},    {NULL, NULL},
};

/* Functions that are removed, so that Lua code cannot open files itself. */
static const char *const removed_functions[] = {"dofile", "loadfile", NULL};

static void open_lua_libraries(lua_State *L) {
  for (const luaL_Reg *library = standard_libraries; library->func; library++) {
    luaL_requiref(L, library->name, library->func, 1);
    lua_pop(L, 1);
  }
  for (const char *const *name = removed_functions; *name; name++) {
    lua_pushnil(L);
    lua_setglobal(L, *name);
  }
  sys_interrupt_coroutines(L);
}

void state_preload(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  luaL_setfuncs(L, native_modules, 0);
  lua_pop(L, 1);
}

/* searcher(name): find the library file of this name in the directory of upvalue 1 (a developer's --stdlib) or in the
 * program. */
static int search_lua_library(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const char *path = lua_pushfstring(L, "stdlib/%s.lua", luaL_gsub(L, name, ".", "/"));
  const char *chunk = lua_pushfstring(L, "@%s", path);
  const char *directory = lua_tostring(L, lua_upvalueindex(1));
  int status;
  if (directory) {
    const char *file = lua_pushfstring(L, "%s/%s", directory, path + strlen("stdlib/"));
    status = luaL_loadfilex(L, file, "t");
  } else {
    const struct embedded *file = embed_find(path);
    if (!file || !file->chunk) {
      lua_pushfstring(L, "\n\tno file '%s' in the binary", path);
      return 1;
    }
    status = luaL_loadbufferx(L, file->chunk, file->chunk_length, chunk, "b");
  }
  if (status != LUA_OK) return lua_error(L);
  lua_pushstring(L, chunk + 1);
  return 2;
}

static void install_lua_searchers(lua_State *L, const char *stdlib_dir) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "searchers");
  lua_rawgeti(L, -1, 1); /* the preload searcher stays */
  lua_createtable(L, 2, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  lua_pushstring(L, stdlib_dir);
  lua_pushcclosure(L, search_lua_library, 1);
  lua_rawseti(L, -2, 2);
  lua_setfield(L, -3, "searchers");
  lua_pop(L, 1);
  static const char *const removed_fields[] = {"loadlib", "searchpath", "cpath", "path", NULL};
  for (const char *const *name = removed_fields; *name; name++) {
    lua_pushnil(L);
    lua_setfield(L, -2, *name);
  }
  lua_pop(L, 1);
}

void state_open(lua_State *L, const char *stdlib_dir) {
  open_lua_libraries(L);
  state_preload(L);
  install_lua_searchers(L, stdlib_dir);
}

int state_message_handler(lua_State *L) {
  size_t length;
  if (lua_type(L, 1) == LUA_TSTRING) luaL_traceback(L, L, lua_tostring(L, 1), 1);
  const char *text = luaL_tolstring(L, -1, &length);
  secret_redact(L, text, length);
  return 1;
}
