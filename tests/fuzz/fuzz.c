/* What the fuzzing harnesses share; see fuzz.h. */
#include "fuzz.h"

#include "request.h"
#include "state.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLLECT_EVERY = 256 };

/* A harness can keep its state only in static variables. */
static lua_State *state;
static unsigned runs;

static void open_state(void) {
  state = luaL_newstate();
  if (!state) abort();
  luaL_openlibs(state);
  state_preload(state);
  request_types(state);
}

void fuzz_expect(int holds, const char *expectation) {
  if (holds) return;
  fprintf(stderr, "expected: %s\n", expectation);
  abort();
}

void fuzz_run(lua_CFunction body, const uint8_t *data, size_t size) {
  struct input input = {data, size};
  if (!state) open_state();
  lua_pushcfunction(state, body);
  lua_pushlightuserdata(state, &input);
  int status = lua_pcall(state, 1, 0, 0);
  const char *message = status == LUA_OK ? "" : lua_tostring(state, -1);
  if (status != LUA_OK && (!message || !strstr(message, "the heap for secrets"))) {
    fprintf(stderr, "raised: %s\n", message ? message : "no text");
    abort();
  }
  lua_settop(state, 0);
  if (++runs % COLLECT_EVERY == 0) lua_gc(state, LUA_GCCOLLECT);
}

void fuzz_push(lua_State *L, const char *module, const char *function) {
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  lua_call(L, 1, 1);
  lua_getfield(L, -1, function);
  lua_remove(L, -2);
}

const char *fuzz_push_text(lua_State *L, const struct input *input, size_t from) {
  const char *text = (const char *)input->data + (from < input->size ? from : input->size);
  size_t left = from < input->size ? input->size - from : 0;
  return lua_pushlstring(L, left ? text : "", left ? strnlen(text, left) : 0);
}
