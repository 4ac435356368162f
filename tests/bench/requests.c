/* The speed of libcurl's multi interface alone; each answer is read and discarded:
 *
 * requests URL CA COUNT IN_FLIGHT VERSION [METHOD BODY [TOKEN]]
 * requests -f FILE CA COUNT IN_FLIGHT VERSION
 *
 * Sends one request, or the steps of FILE one after another, COUNT times, IN_FLIGHT at the same time, by HTTP VERSION
 * "2" or "1.1". A step is a line of words separated by tabs: METHOD, URL, BODY (may be empty), and HEADERS. In URL
 * and BODY, {n} is replaced by the number of the repetition in six digits, {1} by the "id" in the answer to the first
 * POST of that repetition, {2} by the second's. Prints
 *
 * REQUESTS_PER_SECOND WALL_SECONDS CPU_SECONDS
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_STEPS = 64, MAX_IDS = 4, ID_SIZE = 36 };

struct step {
  const char *method, *url, *body; /* body is NULL when there is none */
  struct curl_slist *headers;
};

struct plan {
  const char *ca;
  long version;
  int count, in_flight;
  struct step steps[MAX_STEPS];
  int step_count;
};

/* One repetition of the steps. */
struct flow {
  CURL *easy;
  int number, step;
  char ids[MAX_IDS][ID_SIZE + 1];
  int id_count;
  char answer[256]; /* the first bytes of the answer */
  size_t answer_length;
};

static void stop_with_error(const char *what, const char *why) {
  fprintf(stderr, "requests: %s: %s\n", what, why);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static size_t on_answer_body(char *data, size_t size, size_t count, void *arg) {
  struct flow *flow = arg;
  size_t length = size * count, space = sizeof flow->answer - 1 - flow->answer_length;
  size_t copied = length < space ? length : space;
  memcpy(flow->answer + flow->answer_length, data, copied);
  flow->answer_length += copied;
  return length;
}

static CURL *make_handle(const struct plan *plan, struct flow *flow) {
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_CAINFO, plan->ca);
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, plan->version);
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL,
                   1L); /* else libcurl changes the handler of SIGPIPE around each read and write */
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, flow);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, flow);
  return easy;
}

/* Write the text that {X} stands for. */
static void write_placeholder(FILE *out, const struct flow *flow, char letter) {
  if (letter == 'n') fprintf(out, "%06d", flow->number % 1000000);
  if (letter >= '1' && letter < '1' + MAX_IDS) fputs(flow->ids[letter - '1'], out);
}

static char *expand_placeholders(const char *text, const struct flow *flow) {
  char *expanded = NULL;
  size_t length;
  FILE *out = open_memstream(&expanded, &length);
  for (; *text; text++)
    if (text[0] == '{' && text[1] && strchr("n1234", text[1]) && text[2] == '}') {
      write_placeholder(out, flow, text[1]);
      text += 2;
    } else {
      fputc(*text, out);
    }
  fclose(out);
  return expanded;
}

static void start_step(CURLM *multi, const struct plan *plan, struct flow *flow) {
  const struct step *step = &plan->steps[flow->step];
  char *url = expand_placeholders(step->url, flow), *body = step->body ? expand_placeholders(step->body, flow) : NULL;
  flow->answer_length = 0;
  curl_easy_setopt(flow->easy, CURLOPT_URL, url);
  curl_easy_setopt(flow->easy, CURLOPT_HTTPHEADER, step->headers);
  curl_easy_setopt(flow->easy, CURLOPT_HTTPGET, 1L);
  if (body) curl_easy_setopt(flow->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
  if (body) curl_easy_setopt(flow->easy, CURLOPT_COPYPOSTFIELDS, body);
  curl_easy_setopt(flow->easy, CURLOPT_CUSTOMREQUEST, step->method);
  curl_multi_add_handle(multi, flow->easy);
  free(url);
  free(body);
}

static void keep_id(struct flow *flow) {
  flow->answer[flow->answer_length] = '\0';
  const char *id = strstr(flow->answer, "\"id\":\"");
  if (id && flow->id_count < MAX_IDS) snprintf(flow->ids[flow->id_count++], ID_SIZE + 1, "%s", id + 6);
}

static void check_answer(CURL *easy, CURLcode code) {
  long status = 0;
  char text[16];
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  snprintf(text, sizeof text, "%ld", status);
  if (code != CURLE_OK) stop_with_error("no answer", curl_easy_strerror(code));
  if (status >= 400) stop_with_error("an answer's status", text);
}

/* Start the next step of the flow, or its first step while repetitions are left. Returns 1 when a repetition ended. */
static int start_next_step(CURLM *multi, const struct plan *plan, struct flow *flow, int *started) {
  if (strcmp(plan->steps[flow->step].method, "POST") == 0) keep_id(flow);
  int ended = ++flow->step == plan->step_count;
  if (ended) {
    flow->step = flow->id_count = 0;
    flow->number = *started;
    if (*started == plan->count) return 1;
    ++*started;
  }
  start_step(multi, plan, flow);
  return ended;
}

static int handle_finished(CURLM *multi, const struct plan *plan, int *started) {
  int ended = 0, more;
  for (CURLMsg *message = curl_multi_info_read(multi, &more); message; message = curl_multi_info_read(multi, &more)) {
    CURL *easy = message->easy_handle;
    struct flow *flow = NULL;
    check_answer(easy, message->data.result);
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&flow);
    curl_multi_remove_handle(multi, easy);
    ended += start_next_step(multi, plan, flow, started);
  }
  return ended;
}

static void run_plan(const struct plan *plan) {
  CURLM *multi = curl_multi_init();
  struct flow *flows = calloc((size_t)plan->in_flight, sizeof *flows);
  int started = 0, running;
  if (!multi || !flows) stop_with_error("start", "not enough memory");
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, 16L);
  for (; started < plan->in_flight && started < plan->count; started++) {
    flows[started].easy = make_handle(plan, &flows[started]);
    flows[started].number = started;
    start_step(multi, plan, &flows[started]);
  }
  for (int ended = 0; ended < plan->count;) {
    curl_multi_perform(multi, &running);
    ended += handle_finished(multi, plan, &started);
    if (ended < plan->count) curl_multi_poll(multi, NULL, 0, 100, NULL);
  }
}

static void add_step_from_arguments(struct plan *plan, const char *url, int count, char **more) {
  struct step *step = &plan->steps[plan->step_count++];
  char line[8192];
  *step = (struct step){.method = count > 0 ? more[0] : "GET", .url = url};
  step->headers = curl_slist_append(NULL, "Accept: application/json");
  if (count > 1 && *more[1]) step->body = more[1];
  if (step->body) step->headers = curl_slist_append(step->headers, "Content-Type: application/json");
  if (count < 3) return;
  snprintf(line, sizeof line, "Authorization: Bearer %s", more[2]);
  step->headers = curl_slist_append(step->headers, line);
}

static void add_step_from_line(struct plan *plan, char *line) {
  struct step step = {.method = strsep(&line, "\t"), .url = strsep(&line, "\t"), .body = strsep(&line, "\t\n")};
  if (!step.url || plan->step_count == MAX_STEPS) stop_with_error("a step", "it has no address, or there are too many");
  if (step.body && !*step.body) step.body = NULL;
  for (char *header = strsep(&line, "\t\n"); header; header = strsep(&line, "\t\n"))
    if (*header) step.headers = curl_slist_append(step.headers, header);
  plan->steps[plan->step_count++] = step;
}

static void add_steps_from_file(struct plan *plan, const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) stop_with_error(path, "it cannot be read");
  for (;;) {
    char *line = NULL; /* not freed: the step points into it */
    size_t size = 0;
    if (getline(&line, &size, file) < 0) break;
    add_step_from_line(plan, line);
  }
  fclose(file);
}

int main(int argc, char **argv) {
  static struct plan plan;
  int from_file = argc > 1 && strcmp(argv[1], "-f") == 0;
  char **words = argv + 1 + from_file;
  int count = argc - 1 - from_file;
  if (count < 5) {
    fputs("usage: requests URL CA COUNT IN_FLIGHT VERSION [METHOD BODY [TOKEN]]\n"
          "       requests -f FILE CA COUNT IN_FLIGHT VERSION\n",
          stderr);
    return 2;
  }
  plan.ca = words[1];
  plan.count = atoi(words[2]);
  plan.in_flight = atoi(words[3]);
  plan.version = strcmp(words[4], "2") == 0 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
  curl_global_init(CURL_GLOBAL_DEFAULT);
  if (from_file)
    add_steps_from_file(&plan, words[0]);
  else
    add_step_from_arguments(&plan, words[0], count - 5, words + 5);
  double start = now(), used = cpu();
  run_plan(&plan);
  double wall = now() - start;
  printf("%.1f %.4f %.4f\n", plan.count * plan.step_count / wall, wall, cpu() - used);
  return 0;
}
