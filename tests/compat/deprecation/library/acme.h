/* A C interface of which one function, one enumerator and one field are leaving. */
#ifndef ACME_H
#define ACME_H
#include "enginewright_deprecated.h"

enum acme_color {
    ACME_GRAY = 1,
#if !EW_HIDDEN_D9031
    ACME_GREY EW_DEPRECATED_ENUM_D9031 = 1,
#endif
    ACME_BLUE = 2
};

typedef struct acme_options {
    int level;
#if !EW_HIDDEN_D9032
    EW_DEPRECATED_D9032 int fast;
#endif
} acme_options;

int acme_open_file(const char *name);
#if !EW_HIDDEN_D9030
EW_DEPRECATED_D9030 int acme_open(const char *name);
#endif

#endif
