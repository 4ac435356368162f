/* requests URL CA COUNT IN_FLIGHT VERSION [METHOD BODY [TOKEN]]: what libcurl's
 * multi interface does by itself: COUNT requests, IN_FLIGHT at a time, by
 * HTTP VERSION "2" or "1.1", each answer read and thrown away. Prints
 *
 *   REQUESTS_PER_SECOND WALL_SECONDS CPU_SECONDS
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct plan {
  const char *url, *ca, *method, *body, *token;
  long version;
  int count, in_flight;
};

static size_t discard(char *data, size_t size, size_t count, void *arg) {
  (void)data, (void)arg;
  return size * count;
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

static CURL *make(const struct plan *plan, struct curl_slist *headers) {
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, plan->url);
  curl_easy_setopt(easy, CURLOPT_CAINFO, plan->ca);
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, plan->version);
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  if (plan->body) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, plan->body);
  if (plan->method) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, plan->method);
  return easy;
}

static struct curl_slist *headers_of(const struct plan *plan) {
  char line[8192];
  struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
  if (plan->body) headers = curl_slist_append(headers, "Content-Type: application/json");
  if (!plan->token) return headers;
  snprintf(line, sizeof line, "Authorization: Bearer %s", plan->token);
  return curl_slist_append(headers, line);
}

/* Take the finished ones off; put them on again while there is something left to ask. */
static int turn_over(CURLM *multi, int *left) {
  int finished = 0, more;
  for (CURLMsg *message = curl_multi_info_read(multi, &more); message; message = curl_multi_info_read(multi, &more)) {
    CURL *easy = message->easy_handle;
    CURLcode code = message->data.result;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status >= 400) {
      fprintf(stderr, "requests: %s, status %ld\n", curl_easy_strerror(code), status);
      exit(1);
    }
    finished++;
    curl_multi_remove_handle(multi, easy);
    if (*left > 0) curl_multi_add_handle(multi, easy);
    if (*left > 0) --*left;
  }
  return finished;
}

static void run(const struct plan *plan) {
  CURLM *multi = curl_multi_init();
  struct curl_slist *headers = headers_of(plan);
  int left = plan->count, running;
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, 16L);
  for (int i = 0; i < plan->in_flight && left > 0; i++, left--) curl_multi_add_handle(multi, make(plan, headers));
  for (int done = 0; done < plan->count;) {
    curl_multi_perform(multi, &running);
    done += turn_over(multi, &left);
    if (done < plan->count) curl_multi_poll(multi, NULL, 0, 100, NULL);
  }
}

int main(int argc, char **argv) {
  if (argc < 6) {
    fputs("usage: requests URL CA COUNT IN_FLIGHT VERSION [METHOD BODY [TOKEN]]\n", stderr);
    return 2;
  }
  struct plan plan = {.url = argv[1], .ca = argv[2], .count = atoi(argv[3]), .in_flight = atoi(argv[4])};
  plan.version = strcmp(argv[5], "2") == 0 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
  if (argc > 6) plan.method = argv[6];
  if (argc > 7 && *argv[7]) plan.body = argv[7];
  if (argc > 8) plan.token = argv[8];
  curl_global_init(CURL_GLOBAL_DEFAULT);
  double start = now(), used = cpu();
  run(&plan);
  double wall = now() - start;
  printf("%.1f %.4f %.4f\n", plan.count / wall, wall, cpu() - used);
  return 0;
}
