/* error.c: names and texts of the error codes. */
#include "base/error.h"

#include <string.h>

/* libuv's codes that are not errno values (uv/errno.h). */
#define LIBUV_EOF (-4095)
#define LIBUV_UNKNOWN (-4094)

static const struct {
    int code;
    const char *name, *text;
} errors[] = {
#define X(name, code, text) {code, #name, text},
    ERROR_LIST(X)
#undef X
    {LIBUV_EOF, "EOF", "end of file"},
    {LIBUV_UNKNOWN, "UNKNOWN", "unknown error"},
    {0, "OK", "success"},
};

const char *error_text(int code)
{
    for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].code == code)
            return errors[i].text;
    const char *text = code < 0 && code > -4096 ? strerrordesc_np(-code) : NULL;
    return text ? text : "unknown error";
}

const char *error_name(int code)
{
    for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].code == code)
            return errors[i].name;
    const char *name = code < 0 && code > -4096 ? strerrorname_np(-code) : NULL;
    return name ? name : "UNKNOWN";
}
