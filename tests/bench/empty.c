/* The yardstick for start-up: links libcurl like the product, and does nothing. */
#include <curl/curl.h>

int main(void) {
  return curl_version() == NULL;
}
