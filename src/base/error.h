/* error.h: the one list of error codes.
 *
 * A function that can fail returns 0 (or a count) or a negative code. Codes above -4096 are libuv's, which on
 * Linux are negated errno values; ours start at -20000, so that both travel through the same int. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/* name, code, text for people */
#define ERROR_LIST(X) \
    X(ERR_MALFORMED, -20000, "malformed input") \
    X(ERR_TRUNCATED, -20001, "input ends too early") \
    X(ERR_TOO_LARGE, -20002, "larger than the limit") \
    X(ERR_CORRUPT, -20003, "stored data is corrupt") \
    X(ERR_UNSUPPORTED, -20004, "not supported") \
    X(ERR_NOT_FOUND, -20005, "not found") \
    X(ERR_EXISTS, -20006, "exists already") \
    X(ERR_OUT_OF_RANGE, -20007, "out of range") \
    X(ERR_IO, -20008, "input/output failed before, now read-only") \
    X(ERR_CONFIG, -20009, "bad configuration") \
    X(ERR_BUSY, -20010, "in use already") \
    X(ERR_CLOSED, -20011, "closed") \
    X(ERR_SEQUENCE, -20012, "out of the producer's sequence") \
    X(ERR_FENCED, -20013, "a newer epoch of the producer took over")

enum error_code {
#define X(name, code, text) name = (code),
    ERROR_LIST(X)
#undef X
};

/* Text for people of any code, ours or libuv's; 0 is "success". Never NULL, valid for ever. [any] */
const char *error_text(int code);
/* The code's own name ("ERR_TOO_LARGE", "ENOENT"). Never NULL, valid for ever. [any] */
const char *error_name(int code);

#endif
