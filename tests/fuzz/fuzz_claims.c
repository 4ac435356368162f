/* Fuzz the judges: any bytes as a server's answer, or as the claims of a token in one. Each judge returns a value, or
 * nil and a failure. */
#include "fuzz.h"
#include "request.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define GRAPH "https://graph.microsoft.com"
#define AUTHORITY "https://login.microsoftonline.com/contoso.onmicrosoft.com"

static const struct {
  const char *module, *judge;
  const char *argument; /* argument after the answer; NULL: a request is the argument before the answer */
} judges[] = {
    {"host.oauth", "judge_token", GRAPH},         {"host.oauth", "judge_device_code", ""},
    {"host.oauth", "judge_discovery", AUTHORITY}, {"host.graph", "judge", NULL},
    {"host.devolutions", "judge", NULL},          {"host.devolutions", "judge_login", GRAPH},
};
enum { JUDGES = sizeof judges / sizeof *judges };

static const long statuses[] = {200, 200, 200, 204, 302, 400, 401, 403, 404, 409, 429, 500, 503, 999};

/* Append the bytes as base64url without padding. */
static void append_base64url(lua_State *L, struct buffer *out, const uint8_t *data, size_t size) {
  char *text = malloc(size / 3 * 4 + 8);
  if (!text) luaL_error(L, "out of memory");
  int length = EVP_EncodeBlock((unsigned char *)text, data, (int)size);
  while (length && text[length - 1] == '=') length--;
  for (int i = 0; i < length; i++) text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
  int ok = buffer_append(out, text, (size_t)length);
  free(text);
  if (!ok) luaL_error(L, "out of memory");
}

/* Fill the body with a token answer whose claims are these bytes. */
static void fill_token(lua_State *L, struct buffer *judge_fuzzed_answer, const uint8_t *data, size_t size) {
  buffer_append_string(judge_fuzzed_answer, "{\"token_type\":\"Bearer\",\"expires_in\":3600,\"access_token\":\"e30.");
  append_base64url(L, judge_fuzzed_answer, data, size);
  buffer_append_string(judge_fuzzed_answer, ".c2ln\"}");
}

/* Set headers of the answer to the first line of the same bytes. */
static void set_answer_headers(lua_State *L, struct answer *answer, const uint8_t *data, size_t size) {
  static const char *const names[] = {"retry-after", "date", "www-authenticate", "content-type", "request-id"};
  size_t length = size < 64 ? size : 64;
  const char *line = lua_pushlstring(L, (const char *)data, size ? strnlen((const char *)data, length) : 0);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) answer_add_header(answer, names[i], line);
}

static void push_judge_arguments(lua_State *L, int which, int answer) {
  if (!judges[which].argument) {
    struct request *request = request_new(L, "graph", "GET", GRAPH "/v1.0/me");
    request_add_call(L, request, "GET", "/me", NULL);
  }
  lua_pushvalue(L, answer);
  if (judges[which].argument && *judges[which].argument) lua_pushstring(L, judges[which].argument);
}

static int judge_fuzzed_answer(lua_State *L) {
  const struct input *input = lua_touserdata(L, 1);
  if (input->size < 2) return 0;
  int which = input->data[0] % (JUDGES + 1), is_claims = which == JUDGES;
  struct answer *answer =
      answer_new(L, is_claims ? 200 : statuses[input->data[1] % (sizeof statuses / sizeof *statuses)]);
  int at = lua_gettop(L);
  const uint8_t *data = input->data + 2;
  size_t size = input->size - 2;
  if (is_claims)
    fill_token(L, &answer->body, data, size);
  else if (!buffer_append(&answer->body, data, size))
    return luaL_error(L, "out of memory");
  if (is_claims) which = 0;
  if (input->data[1] & 0x80) set_answer_headers(L, answer, data, size);
  fuzz_push(L, judges[which].module, judges[which].judge);
  int function = lua_gettop(L);
  push_judge_arguments(L, which, at);
  lua_call(L, lua_gettop(L) - function, 2);
  if (lua_isnil(L, -2)) fuzz_expect(lua_istable(L, -1), "a failure");
  if (is_claims) fuzz_expect(lua_istable(L, -2), "a token");
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_run(judge_fuzzed_answer, data, size);
  return 0;
}
