/* Run a harness over files without libFuzzer, so that any compiler will do: each file, each prefix of it, and a fixed
 * number of copies with one changed byte. Prints TAP.
 *
 * fuzz_json_smoke FOLDER
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_FILE = 1 << 16, CHANGES = 400 };

/* Run a copy of exactly this size, so that a read beyond it is noticed. */
static void run_input(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) abort();
  for (size_t i = 0; i < size; i++) copy[i] = data[i];
  LLVMFuzzerTestOneInput(copy, size);
  free(copy);
}

static uint32_t next_random(uint32_t x) {
  x ^= x << 13;
  x ^= x >> 17;
  return x ^ x << 5;
}

/* Run the whole file, its prefixes, and copies with one changed byte. */
static unsigned run_variants(uint8_t *data, size_t size) {
  unsigned runs = 0;
  for (size_t length = 0; length <= size; length++, runs++) run_input(data, length);
  uint32_t random = 1;
  for (int i = 0; size && i < CHANGES; i++, runs++) {
    random = next_random(random);
    uint8_t *changed = data + random % size, original = *changed;
    *changed = (uint8_t)(random >> 16);
    run_input(data, size);
    *changed = original;
  }
  return runs;
}

static unsigned run_file(const char *folder, const char *name) {
  static uint8_t data[MAX_FILE];
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  size_t size = fread(data, 1, sizeof data, file);
  fclose(file);
  return run_variants(data, size);
}

int main(int count, char **words) {
  DIR *folder = count == 2 ? opendir(words[1]) : NULL;
  if (!folder) return 2;
  unsigned runs = 0;
  for (struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.') runs += run_file(words[1], entry->d_name);
  closedir(folder);
  printf("%s 1 - %s: %u inputs\n1..1\n", runs ? "ok" : "not ok", words[1], runs);
  return !runs;
}
