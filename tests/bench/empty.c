/* The baseline of start-up: a program that links libcurl like the product, and does nothing. */
#include <curl/curl.h>

int main(void) {
  return curl_version() == NULL;
}
