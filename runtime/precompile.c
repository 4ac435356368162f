/* precompile (CHUNK_NAME SOURCE TARGET)…: compile Lua files when Moonlatch is built, because parsing the library took
 * longer than the rest of a command's start. Line numbers and names for tracebacks are kept. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

static int write_lua_chunk(lua_State *L, const void *data, size_t size, void *file) {
  (void)L;
  return fwrite(data, 1, size, file) != size;
}

/* Push the text of the file. */
static void push_source_text(lua_State *L, const char *path) {
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

static void compile_lua_file(lua_State *L, const char *name, const char *source, const char *target) {
  size_t length;
  push_source_text(L, source);
  const char *text = lua_tolstring(L, -1, &length);
  if (luaL_loadbufferx(L, text, length, name, "t") != LUA_OK) lua_error(L);
  FILE *file = fopen(target, "wb");
  if (!file) luaL_error(L, "cannot write %s", target);
  int failed = lua_dump(L, write_lua_chunk, file, 0);
  if (fclose(file) != 0 || failed) luaL_error(L, "cannot write %s", target);
  lua_settop(L, 1);
}

static int compile_all(lua_State *L) {
  char **words = lua_touserdata(L, 1);
  for (; words[0] && words[1] && words[2]; words += 3) compile_lua_file(L, words[0], words[1], words[2]);
  return 0;
}

int main(int argc, char **argv) {
  (void)argc;
  lua_State *L = luaL_newstate();
  if (!L) return EXIT_FAILURE;
  lua_pushcfunction(L, compile_all);
  lua_pushlightuserdata(L, argv + 1);
  int status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK) fprintf(stderr, "precompile: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
