/* What the fuzzing harnesses share: a Lua state with the native modules, and expectations that end the run when they
 * are not met. */
#ifndef FUZZ_H
#define FUZZ_H

#include "lib.h"

#include <stdint.h>

struct input {
  const uint8_t *data;
  size_t size;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Call body(L) with a struct input as light userdata. An error that it raises ends the run, except that the heap for
 * secrets is full. */
void fuzz_run(lua_CFunction body, const uint8_t *data, size_t size);

/* End the run unless holds is 1. */
void fuzz_expect(int holds, const char *expectation);

/* Push a function of a native module. [-0, +1, e] */
void fuzz_push(lua_State *L, const char *module, const char *function);

/* Push the input from this byte on, up to its first NUL. [-0, +1, m] */
const char *fuzz_push_text(lua_State *L, const struct input *input, size_t from);

#endif
