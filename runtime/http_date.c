/* Dates of HTTP (RFC 9110, 5.6.7). */

#include "http_date.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <time.h>

/* Return the number of count digits at text; -1 when a character is not a digit. */
static int parse_date_digits(const char *text, int count) {
  int number = 0;
  for (int i = 0; i < count; i++) {
    if (!isdigit((unsigned char)text[i])) return -1;
    number = 10 * number + (text[i] - '0');
  }
  return number;
}

/* Parse "Mon, 23 Nov 2026 05:00:00 GMT", the form that all servers use today; -1 for another form. Each answer has a
 * date, and libcurl's parser of all forms takes ten times as long. */
static double parse_plain_date(const char *text) {
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  char month[4] = "";
  if (strlen(text) != 29 || strcmp(text + 25, " GMT") != 0 || text[3] != ',') return -1;
  memcpy(month, text + 8, 3);
  const char *found = strstr(names, month);
  struct tm parts = {.tm_mday = parse_date_digits(text + 5, 2),
                     .tm_year = parse_date_digits(text + 12, 4) - 1900,
                     .tm_hour = parse_date_digits(text + 17, 2),
                     .tm_min = parse_date_digits(text + 20, 2),
                     .tm_sec = parse_date_digits(text + 23, 2)};
  int is_complete = found && (found - names) % 3 == 0 && parts.tm_mday > 0 && parts.tm_year > 0 && parts.tm_hour >= 0 &&
                    parts.tm_min >= 0 && parts.tm_sec >= 0;
  parts.tm_mon = is_complete ? (int)(found - names) / 3 : 0;
  return is_complete ? (double)timegm(&parts) : -1;
}

double http_date_parse(const char *text) {
  double plain = parse_plain_date(text);
  return plain >= 0 ? plain : (double)curl_getdate(text, NULL);
}
