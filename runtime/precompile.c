/* precompile (CHUNK_NAME SOURCE TARGET)…: compiles Lua files while Moonlatch is built, because parsing the library took
 * longer than all else that a command does at its start. The line numbers and names for tracebacks stay in. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

static int write_chunk(lua_State *L, const void *data, size_t size, void *file) {
  (void)L;
  return fwrite(data, 1, size, file) != size;
}

/* The whole text of the file. */
static void push_text(lua_State *L, const char *path) {
  luaL_Buffer text;
  FILE *file = fopen(path, "rb");
  if (!file) luaL_error(L, "cannot read %s", path);
  luaL_buffinit(L, &text);
  for (int c = getc(file); c != EOF; c = getc(file)) luaL_addchar(&text, (char)c);
  int failed = ferror(file);
  fclose(file);
  if (failed) luaL_error(L, "cannot read %s", path);
  luaL_pushresult(&text);
}

static void compile(lua_State *L, const char *name, const char *source, const char *target) {
  size_t length;
  push_text(L, source);
  const char *text = lua_tolstring(L, -1, &length);
  if (luaL_loadbufferx(L, text, length, name, "t") != LUA_OK) lua_error(L);
  FILE *file = fopen(target, "wb");
  if (!file) luaL_error(L, "cannot write %s", target);
  int failed = lua_dump(L, write_chunk, file, 0);
  if (fclose(file) != 0 || failed) luaL_error(L, "cannot write %s", target);
  lua_settop(L, 1);
}

static int run(lua_State *L) {
  char **words = lua_touserdata(L, 1);
  for (; words[0] && words[1] && words[2]; words += 3) compile(L, words[0], words[1], words[2]);
  return 0;
}

int main(int argc, char **argv) {
  (void)argc;
  lua_State *L = luaL_newstate();
  if (!L) return EXIT_FAILURE;
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, argv + 1);
  int status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK) fprintf(stderr, "precompile: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
