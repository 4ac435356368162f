/* What the fuzzing harnesses share: a Lua state with the native modules in it,
 * and expectations that end the run when they are not met. */
#ifndef FUZZ_H
#define FUZZ_H

#include "lib.h"

#include <stdint.h>

struct input {
  const uint8_t *data;
  size_t size;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Call body(L) with a struct input as light userdata. An error it raises ends
 * the run, but for a full memory for secrets. */
void fuzz_run(lua_CFunction body, const uint8_t *data, size_t size);

/* End the run unless it holds. */
void fuzz_expect(int holds, const char *what);

/* Push a function of a native module. [-0, +1, e] */
void fuzz_push(lua_State *L, const char *module, const char *function);

/* Push the input from this byte on, up to a NUL at most, as a string without
 * one. [-0, +1, m] */
const char *fuzz_push_text(lua_State *L, const struct input *input, size_t from);

#endif
