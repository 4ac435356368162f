#ifndef HTTP_DATE_H
#define HTTP_DATE_H

/* Return the seconds since 1970 of a date, in any form that HTTP allows; -1 for a text that is not a date. */
double http_date_parse(const char *text);

#endif
